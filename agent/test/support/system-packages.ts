/** Programs that tests need and npm does not bring: installed unasked only for root and in CI, else named with the command. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Names of a program, the first that is there counts, by the Debian package that has it. */
const PROGRAMS = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  ripgrep: ['rg'],
  prometheus: ['promtool'],
} as const
export type SystemPackage = keyof typeof PROGRAMS

/** Its path, if it is installed. */
export function programOf(name: SystemPackage): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/bin')
  return folders.flatMap(folder => PROGRAMS[name].map(program => join(folder, program))).find(path => existsSync(path))
}

/** @throws an error with the command that installs what is missing, unless it may be installed unasked. */
export async function ensureInstalled(names: readonly SystemPackage[], environment = process.env): Promise<void> {
  const missing = names.filter(name => programOf(name) === undefined)
  if (missing.length === 0) return
  if (process.getuid?.() !== 0 && environment['CI'] !== 'true') {
    throw new Error(`these tests need more: sudo apt-get install -y ${missing.join(' ')}`)
  }
  const options = { env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  // Another run may be at it.
  const patiently = ['-qq', '-o', 'DPkg::Lock::Timeout=300']
  await run('apt-get', ['update', ...patiently], options)
  await run('apt-get', ['install', '-y', ...patiently, ...missing], options)
}
