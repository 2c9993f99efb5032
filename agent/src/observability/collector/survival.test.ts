/** A collector in its own process is killed, and meets a full disk. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { AS_OPERATOR } from '../../access/access-testing.ts'
import { TraceQuery } from '../../contract/index.ts'
import { openTraces } from './open-traces.ts'
import { otlpRequest, otlpSpan, traceId } from './testing/spans.ts'
import type { TraceFigures } from './trace-store.ts'

const main = join(inject('entries'), 'observability/collector/testing/collector-process.js')

let folder: string
const ends: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-traces-'))
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await rm(folder, { recursive: true })
})

async function start({ fileLimitBlocks }: { fileLimitBlocks?: number } = {}) {
  const node = [process.execPath, main, join(folder, 'traces')]
  const [command, args] =
    fileLimitBlocks === undefined
      ? [node[0]!, node.slice(1)]
      : ['sh', ['-c', `ulimit -f ${fileLimitBlocks}; exec "$@"`, 'sh', ...node]]
  const child = spawn(command, args, { stdio: 'pipe' })
  const exit = new Promise(resolve => child.once('exit', resolve))
  let log = ''
  child.stderr.on('data', (piece: Buffer) => (log += piece.toString()))
  const kill = () => {
    child.kill('SIGKILL')
    return exit
  }
  ends.push(kill)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const port = (await lines.next()).value as string
  return {
    kill,
    log: () => log,
    figures: async () => {
      child.stdin.write('?')
      return JSON.parse((await lines.next()).value as string) as TraceFigures
    },
    send: (first: number, count: number, attributes: object[] = []) =>
      fetch(`http://127.0.0.1:${port}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...AS_OPERATOR },
        body: JSON.stringify(otlpRequest(Array.from({ length: count }, (_, i) => otlpSpan(first + i, { attributes })))),
      }),
  }
}

async function kept(): Promise<string[]> {
  const nothing = () => undefined
  const bounds = { maxTraces: 10_000, maxBytes: 1e9, maxSpansPerTrace: 10, maxWaitingBytes: 1e6 }
  const store = await openTraces({
    ...{ folder: join(folder, 'traces'), bounds, onChange: nothing, onFault: nothing },
    onDamage: ({ reason }) => expect.unreachable(reason),
  })
  const { traces } = await store.list(TraceQuery.parse({ limit: 500 }))
  await store.close()
  return traces.map(trace => trace.traceId)
}

it('still has its traces after kill -9, round after round', async () => {
  for (let round = 0; round < 3; round++) {
    const collector = await start()
    await collector.send(round * 50 + 1, 50)
    await expect.poll(async () => (await collector.figures()).traces).toBe((round + 1) * 50)
    // Killed in the middle of its work.
    void collector.send(100_000 + round, 1).catch(() => undefined)
    await collector.kill()
  }
  const ids = await kept()
  for (let number = 1; number <= 150; number++) expect(ids).toContain(traceId(number))
})

it('keeps responding and counting when the disk is full, and stored traces stay readable', async () => {
  const collector = await start({ fileLimitBlocks: 400 })
  const attributes = [{ key: 'text', value: { stringValue: 'x'.repeat(10_000) } }]
  await collector.send(1, 5, attributes)
  await expect.poll(async () => (await collector.figures()).traces).toBe(5)
  for (let first = 100; first < 600; first += 100) {
    expect((await collector.send(first, 100, attributes)).status).toBe(200)
  }
  await expect.poll(async () => (await collector.figures()).dropped.storage, { timeout: 10_000 }).toBeGreaterThan(0)
  expect((await collector.send(10, 1)).status).toBe(200)
  expect(collector.log()).toContain('traces cannot be stored')
  await collector.kill()
  expect(await kept()).toEqual(expect.arrayContaining([1, 2, 3, 4, 5].map(traceId)))
})
