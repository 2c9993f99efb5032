/** Runs once before the tests of whole platforms. */
import { fillGoCache } from './go-cache.ts'
import { ensureInstalled, type SystemPackage } from './system-packages.ts'

const PYTHON: SystemPackage[] = ['python3', 'python3-debugpy', 'python3-fastapi', 'python3-flask', 'python3-pip']

export default async function setup(): Promise<void> {
  await ensureInstalled([
    'chromium',
    'curl',
    'delve',
    'gcc',
    'golang-go',
    'nats-server',
    'nginx-light',
    'openssh-client',
    'openssh-server',
    'pebble',
    'prometheus',
    'systemd',
    ...PYTHON,
  ])
  await fillGoCache()
}
