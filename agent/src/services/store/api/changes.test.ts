import http from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR } from '../../../access/access-testing.ts'
import { ask, Stage, until } from '../store-testing.ts'
import type { Store } from '../store.ts'

let stage: Stage
let store: Store

beforeEach(async () => {
  stage = await Stage.open()
  store = await stage.store({ heartbeatMs: 20 })
})
afterEach(() => stage.end())

const put = (table: string, id: string, data: unknown = 1) =>
  ask(store.port, `PUT /tables/${table}/docs/${id}`, { body: { data } })

interface Reading {
  text(): string
  /** `<sequence> <id of the document>` of each event so far. */
  seen(): string[]
  ended: Promise<void>
  stop(): void
}

function follow(path: string, headers: Record<string, string> = {}): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      { port: store.port, host: '127.0.0.1', path, headers: { ...AS_OPERATOR, ...headers } },
      response => {
        let text = ''
        response.on('data', (piece: Buffer) => (text += piece.toString()))
        const ended = new Promise<void>(done => response.once('close', done))
        const seen = () =>
          [...text.matchAll(/^id: (\d+)\ndata: (.*)\n\n/gm)].map(
            ([, id, data]) => `${id} ${(JSON.parse(data!) as { data: { id: string } }).data.id}`,
          )
        resolve({ text: () => text, seen, ended, stop: () => request.destroy() })
      },
    )
    request.on('error', reject)
    stage.onEnd(() => void request.destroy())
  })
}

const seeing = (reading: Reading, events: string[]) =>
  until(() => JSON.stringify(reading.seen()) === JSON.stringify(events), `${reading.seen().join()} is ${events.join()}`)

it('sends what was written since, and then what is written', async () => {
  await put('t', 'a')
  await put('u', 'b')
  const [all, table, fromNow] = await Promise.all([
    follow('/changes?since=0'),
    follow('/tables/t/changes?since=0'),
    follow('/changes'),
  ])
  await put('t', 'c')
  await seeing(all, ['1 a', '2 b', '3 c'])
  await seeing(table, ['1 a', '3 c'])
  await seeing(fromNow, ['3 c'])
})

it('goes on where a reader broke off', async () => {
  const first = await follow('/changes?since=0')
  await put('t', 'a')
  await seeing(first, ['1 a'])
  first.stop()
  await put('t', 'b')
  const again = await follow('/changes', { 'last-event-id': '1' })
  await seeing(again, ['2 b'])
})

it('sends large events and many of them to a slow reader, in order', async () => {
  const data = 'x'.repeat(200_000)
  for (let n = 0; n < 40; n += 1) await put('t', String(n), data)
  const reading = await follow('/changes?since=0')
  await seeing(
    reading,
    Array.from({ length: 40 }, (_, n) => `${n + 1} ${n}`),
  )
})

it('shows that it is alive while nothing happens', async () => {
  const reading = await follow('/changes')
  await until(() => (reading.text().match(/^: /gm) ?? []).length >= 3, 'there were two heartbeats')
})

it('ends its streams when it is closed, and finishes what is in flight', async () => {
  const reading = await follow('/changes')
  const write = put('t', 'a')
  await write
  const late = put('t', 'b')
  const closing = store.close()
  await Promise.all([reading.ended, closing, late.catch(() => undefined)])
  await expect(put('t', 'c')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

it('answers one event whole, and how far the log reaches', async () => {
  await put('t', 'a')
  const event = await ask(store.port, 'GET /changes/1')
  expect(event.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
  expect(event.json).toMatchObject({ specversion: '1.0', sequence: '1', data: { kind: 'new-doc', id: 'a' } })
  expect((await ask(store.port, 'GET /log')).json).toEqual({ first: 1, last: 1 })
})

it('says that the log does not go back that far any more', async () => {
  await put('t', 'a')
  await put('t', 'b')
  await store.close()
  store = await stage.store({ logRetentionMs: 0 })
  await until(async () => (await ask(store.port, 'GET /log')).json.first === 3, 'the log is trimmed')
  const answer = await ask(store.port, 'GET /changes?since=1')
  expect(answer).toMatchObject({ status: 410, json: { error: { code: 'EVENTS_TRIMMED', first: 3 } } })
  const reading = await follow('/changes?since=2')
  await put('t', 'c')
  await seeing(reading, ['3 c'])
})
