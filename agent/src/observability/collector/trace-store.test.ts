import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { TraceQuery, type TraceSummary } from '../../contract/index.ts'
import { openTraces } from './open-traces.ts'
import { TRUNCATED } from './span.ts'
import { span, spanId, START_MS, traceId } from './testing/spans.ts'
import type { TraceBounds, TraceStore } from './trace-store.ts'

let home: string
let damages: string[]
const open: TraceStore[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-traces-'))
  damages = []
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
  await rm(home, { recursive: true })
})

const folder = () => join(home, 'traces')
const BOUNDS: TraceBounds = { maxTraces: 100, maxBytes: 1e6, maxSpansPerTrace: 10, maxWaitingBytes: 1e6 }

async function make(bounds: Partial<TraceBounds> = {}): Promise<TraceStore> {
  const store = await openTraces({
    folder: folder(),
    bounds: { ...BOUNDS, ...bounds },
    onChange: () => undefined,
    onFault: error => expect.unreachable(String(error)),
    onDamage: ({ reason }) => damages.push(reason),
  })
  open.push(store)
  return store
}

/** Closes it, so that everything is written, and reopens it. */
async function reopened(store: TraceStore, bounds: Partial<TraceBounds> = {}): Promise<TraceStore> {
  await store.close()
  open.splice(open.indexOf(store), 1)
  return make(bounds)
}

const ids = (traces: TraceSummary[]) => traces.map(trace => Number.parseInt(trace.traceId.slice(1), 16))
const list = async (store: TraceStore, query: object = {}) => ids((await store.list(TraceQuery.parse(query))).traces)

it('assembles a trace from spans in any order, before and after a restart', async () => {
  const first = await make()
  first.add([span({ trace: 1, span: 3, parent: 2 }, { startMs: 30, durationMs: 50, attributes: { 'faas.name': 'b' } })])
  const store = await reopened(first)
  store.add([
    span({ trace: 1, span: 2, parent: 1 }, { startMs: 20, attributes: { 'faas.name': 'Hello' }, status: 'error' }),
    span(
      { trace: 1, span: 1 },
      { startMs: 10, name: 'POST /x', service: 'ryo-faas-proxy', attributes: { 'faas.invocation_id': 'call-1' } },
    ),
  ])
  const last = await reopened(store)
  const { traces } = await last.list(TraceQuery.parse({}))
  expect(traces).toEqual([
    {
      traceId: traceId(1),
      name: 'POST /x',
      rootService: 'ryo-faas-proxy',
      function: 'Hello',
      startedAt: new Date(START_MS + 10).toISOString(),
      durationMs: 70,
      status: 'error',
      spans: 3,
      callId: 'call-1',
    },
  ])
  const view = await last.find(traceId(1))
  expect(view!.spans.map(each => [each.spanId, each.startMs, each.durationMs])).toEqual([
    [spanId(1), 0, 10],
    [spanId(2), 10, 10],
    [spanId(3), 20, 50],
  ])
})

it('finds a trace by a prefix of its id, by a call and by a request', async () => {
  const store = await make()
  const id = `0123456789${'0'.repeat(22)}`
  store.add([
    {
      ...span({ trace: 1 }, { attributes: { 'messaging.message.id': '01CALL-hello', 'ryo_faas.request_id': 'my-1' } }),
      traceId: id,
    },
  ])
  store.add([span({ trace: 2 })])
  const opened = await reopened(store)
  expect((await opened.find('01234'))?.traceId).toBe(id)
  expect((await opened.find('01CALL-hello'))?.traceId).toBe(id)
  expect((await opened.find('my-1'))?.traceId).toBe(id)
  expect((await opened.find(id.toUpperCase()))?.traceId).toBe(id)
  expect(await opened.find('012')).toBeUndefined()
  expect(await opened.find('ffff')).toBeUndefined()
})

it('counts a span sent twice only once', async () => {
  const store = await make()
  store.add([span({ trace: 1 }), span({ trace: 1 })])
  const opened = await reopened(store)
  opened.add([span({ trace: 1 }), span({ trace: 1, span: 2 })])
  const last = await reopened(opened)
  expect((await last.find(traceId(1)))!.spans).toHaveLength(2)
  expect((await last.list(TraceQuery.parse({}))).traces[0]!.spans).toBe(2)
})

it('lists by every filter, newest or slowest first', async () => {
  const store = await make()
  store.add([
    span({ trace: 1 }, { durationMs: 5, attributes: { 'faas.name': 'Hello', n: 1, list: ['x', 'y'] } }),
    span({ trace: 2 }, { durationMs: 50, status: 'error', attributes: { 'faas.name': 'Hello', n: 12 } }),
    span({ trace: 3 }, { durationMs: 500, attributes: { 'faas.name': 'other', 'faas.invocation_id': 'c3' } }),
    // A client span that failed may have been expected.
    span({ trace: 3, span: 2, parent: 1 }, { kind: 'client', status: 'error', durationMs: 1 }),
  ])
  // A deploy is not a call of the function.
  store.add([span({ trace: 0 }, { service: 'ryo-faas-agent', durationMs: 1, attributes: { 'faas.name': 'Hello' } })])
  const opened = await reopened(store)
  expect(await list(opened)).toEqual([3, 2, 1, 0])
  expect(await list(opened, { order: 'slowest' })).toEqual([3, 2, 1, 0])
  expect(await list(opened, { function: 'hello' })).toEqual([2, 1])
  expect(await list(opened, { status: 'error' })).toEqual([2])
  expect(await list(opened, { status: 'ok' })).toEqual([3, 1, 0])
  expect(await list(opened, { minDurationMs: 50 })).toEqual([3, 2])
  expect(await list(opened, { maxDurationMs: '50' })).toEqual([2, 1, 0])
  expect(await list(opened, { callId: 'c3' })).toEqual([3])
  expect(await list(opened, { attribute: 'n=1' })).toEqual([1])
  expect(await list(opened, { attribute: 'list=y' })).toEqual([1])
  expect(await list(opened, { attribute: 'n=' })).toEqual([])
  expect(await list(opened, { since: new Date(START_MS + 2).toISOString() })).toEqual([3, 2])
  expect(await list(opened, { until: new Date(START_MS + 2).toISOString() })).toEqual([1, 0])
})

it('returns pages with exact cursors, even if traces started at the same moment', async () => {
  const store = await make()
  store.add(Array.from({ length: 7 }, (_, i) => span({ trace: i + 1 }, { startMs: i < 3 ? 0 : i })))
  const opened = await reopened(store)
  const seen: number[] = []
  let cursor: string | undefined
  do {
    const page = await opened.list(TraceQuery.parse({ limit: 2, cursor }))
    seen.push(...ids(page.traces))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(seen).toEqual([7, 6, 5, 4, 1, 2, 3])
  await expect(opened.list(TraceQuery.parse({ cursor: 'x' }))).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

it('limits the number of traces, dropping the oldest', async () => {
  const store = await make({ maxTraces: 3 })
  store.add([span({ trace: 1 }), span({ trace: 2 })])
  const opened = await reopened(store, { maxTraces: 3 })
  opened.add([span({ trace: 3 }), span({ trace: 4 }), span({ trace: 5 })])
  const last = await reopened(opened)
  expect(await list(last)).toEqual([5, 4, 3])
  expect(await last.find(traceId(1))).toBeUndefined()
})

it('limits the bytes, but always keeps the newest trace', async () => {
  const store = await make({ maxBytes: 10_000 })
  const large = { attributes: { text: 'x'.repeat(4_000) } }
  store.add([1, 2, 3, 4].map(trace => span({ trace }, large)))
  const opened = await reopened(store, { maxBytes: 10_000 })
  expect(await list(opened)).toEqual([4, 3])
  expect(opened.figures().bytes).toBeLessThan(10_000)
  const last = await reopened(opened, { maxBytes: 1 })
  last.add([span({ trace: 5 })])
  expect(await list(await reopened(last))).toEqual([5])
})

it('limits the spans of a trace and counts the rest', async () => {
  const store = await make()
  store.add(Array.from({ length: 25 }, (_, i) => span({ trace: 1, span: i + 1 }, { startMs: i })))
  await expect.poll(() => store.figures().dropped.trace).toBe(15)
  const opened = await reopened(store)
  expect(await opened.find(traceId(1))).toMatchObject({ droppedSpans: 15, spans: { length: 10 }, durationMs: 34 })
})

it('drops what exceeds the queue for the disk, and counts it', async () => {
  const store = await make({ maxWaitingBytes: 1000 })
  const taken = store.add(Array.from({ length: 100 }, (_, i) => span({ trace: i + 1 })))
  expect(taken).toBeGreaterThan(1)
  expect(taken).toBeLessThan(10)
  expect(store.figures().dropped.busy).toBe(100 - taken)
  expect(await list(await reopened(store))).toHaveLength(taken)
})

it('truncates a span of megabytes, and marks it', async () => {
  const store = await make()
  const attributes = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, 'x'.repeat(10_000)]))
  store.add([span({ trace: 1 }, { attributes })])
  const opened = await reopened(store)
  expect((await opened.find(traceId(1)))!.spans[0]!.attributes).toMatchObject({ [TRUNCATED]: true })
  expect(opened.figures().bytes).toBeLessThan(128 * 1024)
})

it.each<[string, () => Promise<unknown>]>([
  ['no database', () => writeFile(join(folder(), 'data.mdb'), 'these are no pages'.repeat(1000))],
  ['a database that was cut off', () => truncate(join(folder(), 'data.mdb'), 3 * 4096)],
  ['what the last process died of', () => writeFile(join(folder(), 'opening'), '')],
])('moves aside %s and starts with an empty store', async (_, damage) => {
  const store = await make()
  store.add(Array.from({ length: 50 }, (_, i) => span({ trace: i + 1 })))
  await store.close()
  open.length = 0
  await damage()
  const opened = await make()
  expect(damages).toHaveLength(1)
  expect(await readdir(`${folder()}.damaged`)).toContain('data.mdb')
  opened.add([span({ trace: 1 })])
  expect(await list(await reopened(opened))).toEqual([1])
  expect(damages).toHaveLength(1)
})

it('moves aside records of another format, and a file in place of the folder', async () => {
  await writeFile(folder(), 'a file')
  const store = await make()
  expect(damages).toEqual(['it is not a folder'])
  expect(await readFile(`${folder()}.damaged`, 'utf8')).toBe('a file')
  await store.close()
  open.length = 0
  const { open: openLmdb } = await import('lmdb')
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
  const root = openLmdb<Buffer, Buffer>({ path: join(folder(), 'data.mdb'), ...binary, maxDbs: 4 })
  await root.openDB<Buffer, Buffer>({ name: 'traces', ...binary }).put(Buffer.alloc(8), Buffer.from('{"format":"x"}'))
  await root.close()
  expect(await list(await make())).toEqual([])
  expect(damages).toHaveLength(2)
})

it('returns no spans, and accepts none, once it is closed', async () => {
  const store = await make()
  store.add([span({ trace: 1 })])
  await store.close()
  expect(await store.find(traceId(1))).toMatchObject({ spans: [] })
  expect(await list(store, { attribute: 'a=b' })).toEqual([])
  expect(store.add([span({ trace: 2 })])).toBe(0)
})

it('leaves unknown files where they are', async () => {
  await mkdir(folder(), { recursive: true })
  await writeFile(join(folder(), 'notes.txt'), 'mine')
  await make()
  expect(damages).toEqual([])
  expect(await readFile(join(folder(), 'notes.txt'), 'utf8')).toBe('mine')
})
