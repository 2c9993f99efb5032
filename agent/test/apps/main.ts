/**
 * `npm run test:apps`: every app of the table, row by row.
 *
 *   --row sharp   only those with this in their name; may be repeated
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { row: { type: 'string', multiple: true, default: [''] } } })
const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'apps', '--reporter=verbose']
const child = spawn(process.execPath, args, {
  stdio: 'inherit',
  env: { ...process.env, RYO_FAAS_APPS: values.row.join('\n') },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
const [code] = (await once(child, 'exit')) as [number | null]
process.exitCode = code ?? 1
