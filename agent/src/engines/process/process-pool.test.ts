import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { untilTrue } from '../../../test/support/until.ts'
import { ProcessPool } from './process-pool.ts'

test('what waits for a function runs on the Node that the function asks for', async () => {
  const home = await mkdtemp(join(tmpdir(), 'rfa-process-pool-'))
  const waiter = join(home, 'waiter.mjs')
  await writeFile(waiter, 'process.stdin.resume()')
  const asked: string[] = []
  const pool = new ProcessPool({
    ...{ home, waiter, runtime: '', size: 1, baseEnv: {} },
    nodePathOf: async base => {
      asked.push(base)
      return process.execPath
    },
    adopt: () => Promise.reject(new Error('nothing is handed over here')),
  })
  onTestFinished(async () => {
    await pool.empty()
    await rm(home, { recursive: true })
  })
  pool.open([])
  const limits = { memoryMb: 64, cpus: 1, pids: 64 }
  const spec = { id: 'a', route: 'a', version: 1, command: ['node', 'main.mjs'], env: {}, secrets: {}, limits }
  const built = { route: 'a', hash: 'h', dir: home, base: 'node@22' }
  const taken = await pool.take({ ...spec, base: built.base }, built, new AbortController().signal)
  expect(taken).toEqual({ kind: 'none', why: 'no process with 64 MB is waiting' })
  await untilTrue(() => asked.length > 0, 'one is begun')
  expect(asked).toEqual(['node@22'])
})
