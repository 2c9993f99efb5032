/**
 * `npm run test:apps`: every app of the table, row by row.
 *
 *   --row sharp   only those with this in their name; may be repeated
 *
 * When it is interrupted, nothing stays: the tests and what they started are one group of processes, and the platforms,
 * which outlive who starts them, have their homes in one folder.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BIN, HOME_PREFIX, TestPlatform } from '../support/platform.ts'

const { values } = parseArgs({ options: { row: { type: 'string', multiple: true, default: [''] } } })
// What is published has no row.
const only = values.row.includes('') ? [] : ['agent/test/apps/apps.test.ts']
const folder = await mkdtemp(join(tmpdir(), 'rfa-'))
const child = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'apps', '--reporter=verbose', ...only],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
    // A group of its own: an interrupt in the terminal comes here only.
    detached: true,
    env: { ...process.env, TMPDIR: folder, RYO_FAAS_TESTS: 'all', RYO_FAAS_APPS: values.row.join('\n') },
  },
)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endTests)
const [code] = (await once(child, 'exit')) as [number | null]
endTests()
const homes = (await readdir(folder)).filter(name => name.startsWith(HOME_PREFIX))
for (const home of homes) await new TestPlatform(join(folder, home), {}, BIN).remove()
await rm(folder, { recursive: true, force: true })
process.exitCode = code ?? 1

function endTests(): void {
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
