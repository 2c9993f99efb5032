/**
 * Programs that tests need and npm does not install: installed automatically only for root and in CI, otherwise named
 * with the command.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Debian package → names of its program, or a path; the first that exists counts. */
const PROGRAMS = {
  catatonit: ['catatonit'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  curl: ['curl'],
  delve: ['dlv'],
  'docker-compose': ['docker-compose', '/usr/libexec/docker/cli-plugins/docker-compose'],
  'docker.io': ['dockerd'],
  'docker-registry': ['docker-registry'],
  gcc: ['gcc'],
  'golang-go': ['go'],
  iproute2: ['ip'],
  'kubernetes-client': ['kubectl'],
  'nats-server': ['nats-server'],
  'nginx-light': ['nginx'],
  pebble: ['pebble'],
  podman: ['podman'],
  postgresql: ['pg_ctlcluster'],
  'openssh-client': ['ssh'],
  'openssh-server': ['sshd'],
  prometheus: ['promtool'],
  python3: ['python3'],
  'python3-debugpy': ['/usr/lib/python3/dist-packages/debugpy'],
  'python3-fastapi': ['/usr/lib/python3/dist-packages/fastapi'],
  'python3-flask': ['/usr/lib/python3/dist-packages/flask'],
  'python3-pip': ['/usr/lib/python3/dist-packages/pip'],
  ripgrep: ['rg'],
  systemd: ['systemd-analyze'],
} as const
export type SystemPackage = keyof typeof PROGRAMS
export const SYSTEM_PACKAGES = Object.keys(PROGRAMS) as SystemPackage[]

/** In the PATH of root, but not always of users. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin']

/** Path of the program, if installed. */
export function programOf(name: SystemPackage): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS]
  return folders
    .flatMap(folder => PROGRAMS[name].map(program => resolve(folder, program)))
    .find(path => existsSync(path))
}

/** @throws an error with the command that installs what is missing, unless it may install it itself */
export async function ensureInstalled(names: readonly SystemPackage[], environment = process.env): Promise<void> {
  const missing = names.filter(name => programOf(name) === undefined)
  if (missing.length === 0) return
  if (process.getuid?.() !== 0 && environment['CI'] !== 'true') {
    throw new Error(`The tests need ${missing.join(', ')}. Run: sudo apt-get install -y ${missing.join(' ')}`)
  }
  const options = { env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  // Another run may hold the lock.
  const patiently = ['-qq', '-o', 'DPkg::Lock::Timeout=300']
  await run('apt-get', ['update', ...patiently], options)
  await run('apt-get', ['install', '-y', ...patiently, ...missing], options)
}
