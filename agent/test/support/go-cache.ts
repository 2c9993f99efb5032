/** Where tests keep what Go has compiled: without it every home would compile the standard library, for a minute. */
import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { programOf } from './system-packages.ts'

export const GO_CACHE = process.env['GOCACHE'] || join(homedir(), '.cache', 'ryo-faas', 'go-build')

/**
 * Compiles what every function in Go is linked with. Several tests that begin with an empty cache would each compile
 * all of it, at once, and none of them would be done in time.
 */
export async function fillGoCache(): Promise<void> {
  const go = programOf('golang-go')
  if (go === undefined) return
  const own = { CGO_ENABLED: '0', GOENV: 'off', GOFLAGS: '', GOPROXY: 'off', GOTOOLCHAIN: 'local', GOWORK: 'off' }
  await promisify(execFile)(go, ['build', '-trimpath', '-buildvcs=false', './...'], {
    cwd: fileURLToPath(new URL('../../../runtime/go', import.meta.url)),
    env: { ...process.env, ...own, GOCACHE: GO_CACHE },
  })
}
