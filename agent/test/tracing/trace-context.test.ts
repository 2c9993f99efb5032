/**
 * The cases of the W3C's own conformance suite (https://github.com/w3c/trace-context, levels 1 and 2, strict), run
 * against the whole path: proxy, runtime, and a function that calls the URLs it is given with `fetch`, `node:http` or
 * the package `undici`. None of them knows about traces.
 */
import { mkdir, symlink } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestPlatform, writeProject } from '../support/platform.ts'

type Headers = [string, string][]

const CLIENTS = ['fetch', 'node:http', 'undici'] as const
type Client = (typeof CLIENTS)[number]

/** The query names the client to use. */
const CALLER = `
  import { request as nodeRequest } from 'node:http'
  import { request as undiciRequest } from 'undici'

  const clients: Record<string, (url: string) => Promise<unknown>> = {
    'fetch': async url => (await fetch(url, { method: 'POST', body: '[]' })).text(),
    'node:http': url =>
      new Promise((resolve, reject) => {
        const sent = nodeRequest(url, { method: 'POST' }, answer => answer.resume().once('end', () => resolve('')))
        sent.once('error', reject).end('[]')
      }),
    'undici': async url => (await undiciRequest(url, { method: 'POST', body: '[]' })).body.text(),
  }

  export const caller = async (request: Request): Promise<Response> => {
    const client = clients[new URL(request.url).searchParams.get('client')!]!
    const urls = await request.json() as string[]
    await Promise.all(urls.map(client))
    return new Response('called')
  }`

const TRACE = '12345678901234567890123456789012'
const PARENT = '1234567890123456'
const VALID = `00-${TRACE}-${PARENT}-01`
const UNSAMPLED: [string, string] = ['traceparent', `00-${TRACE}-${PARENT}-00`]
const TRACE_PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

let platform: TestPlatform
let functionUrl: string
let harness: Server
/** Raw headers of received requests, by path. */
const received = new Map<string, string[]>()
let rounds = 0

beforeAll(async () => {
  harness = createServer((incoming, response) => {
    received.set(incoming.url!, incoming.rawHeaders)
    incoming.resume().on('end', () => response.end())
  })
  await new Promise<void>(resolve => harness.listen(0, '127.0.0.1', resolve))
  platform = await TestPlatform.make()
  const view = await platform.start('process')
  const folder = join(platform.home, 'conformance')
  await mkdir(folder)
  // Resolves packages from this repository.
  await symlink(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(folder, 'node_modules'))
  const file = await writeProject(folder, { caller: { code: CALLER } })
  await platform.ok(['deploy', file])
  functionUrl = `${view.proxyUrl}/functions/caller`
})
afterAll(async () => {
  harness.close()
  await platform.remove()
})

interface Context {
  traceId: string
  parentId: string
  flags: number
  /** Members in order. */
  state: [string, string][]
}

async function callbacks(client: Client, headers: Headers, count: number): Promise<Context[]> {
  const { port } = harness.address() as AddressInfo
  const paths = Array.from({ length: count }, (_, n) => `/${rounds}/${n}`)
  rounds += 1
  const body = JSON.stringify(paths.map(path => `http://127.0.0.1:${port}${path}`))
  await new Promise<void>((resolve, reject) => {
    // A flat list is sent as is, including case, repetitions and white space.
    const lines = [...headers, ['host', 'localhost'], ['content-length', String(Buffer.byteLength(body))]].flat()
    const call = request(`${functionUrl}?client=${client}`, { method: 'POST', headers: lines }, response => {
      response.resume()
      if (response.statusCode === 200) response.once('end', resolve)
      else reject(new Error(`the function answered ${response.statusCode}`))
    })
    call.once('error', reject)
    call.end(body)
  })
  return paths.map(path => contextOf(received.get(path)!))
}

function contextOf(raw: string[]): Context {
  const valuesOf = (name: string) => raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name)
  const parents = valuesOf('traceparent')
  expect(parents).toHaveLength(1)
  const [, version, traceId, parentId, flags] = TRACE_PARENT.exec(parents[0]!) ?? []
  expect(version).toBe('00')
  expect(traceId).not.toMatch(/^0+$/)
  expect(parentId).not.toMatch(/^0+$/)
  const state = valuesOf('tracestate')
    .flatMap(value => value.split(','))
    .map(member => member.trim().split('=') as [string, string])
  return { traceId: traceId!, parentId: parentId!, flags: parseInt(flags!, 16), state }
}

describe.each(CLIENTS)('%s', client => {
  const callback = async (...headers: Headers): Promise<Context> => (await callbacks(client, headers, 1))[0]!

  describe('traceparent', () => {
    test('none: a trace starts, and tracestate without it is discarded', async () => {
      await callback()
      expect((await callback(['tracestate', 'foo=1'])).state).toEqual([])
      expect((await callback(['tracestate', 'foo=1,bar=2'])).state).toEqual([])
    })

    test.each<[string, string]>([
      ['traceparent', VALID],
      ['TraceParent', VALID],
      ['TrAcEpArEnT', VALID],
      ['TRACEPARENT', VALID],
      ['traceparent', `cc-${TRACE}-${PARENT}-01`],
      ['traceparent', `cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`],
      ['traceparent', ` ${VALID}`],
      ['traceparent', `\t${VALID}`],
      ['traceparent', `${VALID} `],
      ['traceparent', `${VALID}\t`],
      ['traceparent', `\t ${VALID} \t`],
    ])('%s: %j continues the same trace with another parent', async (name, value) => {
      const { traceId, parentId, flags } = await callback([name, value])
      expect(traceId).toBe(TRACE)
      expect(parentId).not.toBe(PARENT)
      expect(flags & 1).toBe(1)
    })

    test.each<[string, string]>([
      ['trace-parent', VALID],
      ['trace.parent', VALID],
      ['traceparent', `00-${TRACE}-${PARENT}-01.`],
      ['traceparent', `00-${TRACE}-${PARENT}-01-what-the-future-will-be-like`],
      ['traceparent', `cc-${TRACE}-${PARENT}-01.what-the-future-will-be-like`],
      ['traceparent', `ff-${TRACE}-${PARENT}-01`],
      ['traceparent', `.0-${TRACE}-${PARENT}-01`],
      ['traceparent', `0.-${TRACE}-${PARENT}-01`],
      ['traceparent', `000-${TRACE}-${PARENT}-01`],
      ['traceparent', `0000-${TRACE}-${PARENT}-01`],
      ['traceparent', `0-${TRACE}-${PARENT}-01`],
      ['traceparent', `00-${'0'.repeat(32)}-${PARENT}-01`],
      ['traceparent', `00-.${TRACE.slice(1)}-${PARENT}-01`],
      ['traceparent', `00-${TRACE.slice(1)}.-${PARENT}-01`],
      ['traceparent', `00-${TRACE}3-${PARENT}-01`],
      ['traceparent', `00-${TRACE.slice(1)}-${PARENT}-01`],
      ['traceparent', `00-${TRACE}-${'0'.repeat(16)}-01`],
      ['traceparent', `00-${TRACE}-.${PARENT.slice(1)}-01`],
      ['traceparent', `00-${TRACE}-${PARENT.slice(1)}.-01`],
      ['traceparent', `00-${TRACE}-${PARENT}7-01`],
      ['traceparent', `00-${TRACE}-${PARENT.slice(1)}-01`],
      ['traceparent', `00-${TRACE}-${PARENT}-.0`],
      ['traceparent', `00-${TRACE}-${PARENT}-0.`],
      ['traceparent', `00-${TRACE}-${PARENT}-001`],
      ['traceparent', `00-${TRACE}-${PARENT}-1`],
    ])('%s: %j starts a new trace', async (name, value) => {
      const { traceId } = await callback([name, value])
      expect(value).not.toContain(traceId)
    })

    test('twice: a new trace starts', async () => {
      const other = VALID.replace(TRACE, TRACE.replace(/2$/, '1'))
      const { traceId } = await callback(['traceparent', other], ['traceparent', VALID])
      expect([TRACE, TRACE.replace(/2$/, '1')]).not.toContain(traceId)
    })

    test('the flag for random ids is passed on (level 2)', async () => {
      const { traceId, parentId, flags } = await callback(['traceparent', `00-${TRACE}-${PARENT}-02`])
      expect(traceId).toBe(TRACE)
      expect(parentId).not.toBe(PARENT)
      expect(flags & 2).toBe(2)
    })

    test.each<[string, Headers, boolean]>([
      ['valid', [['traceparent', VALID]], true],
      ['missing', [], false],
      ['malformed', [['traceparent', `00-${'0'.repeat(32)}-${PARENT}-01`]], false],
    ])('several calls with a %s one have their own parents', async (_case, headers, isKept) => {
      const contexts = await callbacks(client, headers, 3)
      expect(new Set(contexts.map(({ parentId }) => parentId)).size).toBe(3)
      expect(new Set(contexts.map(({ traceId }) => traceId)).size).toBe(1)
      if (isKept) expect(contexts[0]!.traceId).toBe(TRACE)
    })
  })

  describe('tracestate', () => {
    const ALL_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789_-*/'
    const ALL_VALUE = Array.from({ length: 0x7f - 0x20 }, (_, n) => String.fromCharCode(0x20 + n))
      .filter(character => character !== ',' && character !== '=')
      .join('')
    const bars = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => String(from + n).padStart(2, '0'))
        .map(n => `bar${n}=${n}`)
        .join(',')
    const lines = (...values: string[]): Headers => values.map(value => ['tracestate', value])
    const longKey = 'z'.repeat(256)

    test.each<[string, Headers, [string, string][]]>([
      ['one line', lines('foo=1,bar=2'), [['foo', '1'], ['bar', '2']]], // prettier-ignore
      ['other cases of the name', [['TraceState', 'foo=1']], [['foo', '1']]],
      ['capitals', [['TRACESTATE', 'foo=1']], [['foo', '1']]],
      ['an empty line after', lines('foo=1', ''), [['foo', '1']]],
      ['an empty line before', lines('', 'foo=1'), [['foo', '1']]],
      ['several lines', lines('foo=1,bar=2', 'rojo=1,congo=2', 'baz=3'), [['foo', '1'], ['bar', '2'], ['rojo', '1'], ['congo', '2'], ['baz', '3']]], // prettier-ignore
      ['every character', lines(`${ALL_KEY}=${ALL_VALUE}`), [[ALL_KEY, ALL_VALUE.trimStart()]]],
      ['every character with a vendor', lines(`${ALL_KEY}@a-z0-9_-*/=${ALL_VALUE}`), [[`${ALL_KEY}@a-z0-9_-*/`, ALL_VALUE.trimStart()]]], // prettier-ignore
      ['white space between', lines('foo=1 \t , \t bar=2, \t baz=3'), [['foo', '1'], ['bar', '2'], ['baz', '3']]], // prettier-ignore
      ['white space around', lines('\t foo=1 \t'), [['foo', '1']]],
      ['keys with at signs', lines('foo@=1,foo@@bar=2,foo@bar@baz=3'), [['foo@', '1'], ['foo@@bar', '2'], ['foo@bar@baz', '3']]], // prettier-ignore
      ['a long key', lines('foo=1', `${longKey}=1`), [['foo', '1'], [longKey, '1']]], // prettier-ignore
      ['a long tenant', lines(`${'t'.repeat(241)}@${'v'.repeat(14)}=1`), [[`${'t'.repeat(241)}@${'v'.repeat(14)}`, '1']]], // prettier-ignore
    ])('%s: is passed on in order', async (_case, headers, state) => {
      const context = await callback(UNSAMPLED, ...headers)
      expect(context.traceId).toBe(TRACE)
      // A value may start with a space, which a trimming parser would lose.
      expect(context.state.map(([key, value]) => [key, value.trimStart()])).toEqual(state)
    })

    test('32 members are passed on', async () => {
      const headers = lines(bars(1, 10), bars(11, 20), bars(21, 30), bars(31, 32))
      const { state } = await callback(UNSAMPLED, ...headers)
      expect(state).toHaveLength(32)
      expect(state[0]).toEqual(['bar01', '01'])
    })

    test('repeated keys keep at least one of them', async () => {
      for (const headers of [
        lines('foo=1,foo=1'),
        lines('foo=1,foo=2'),
        lines('foo=1', 'foo=1'),
        lines('foo=1', 'foo=2'),
      ]) {
        const { traceId, state } = await callback(UNSAMPLED, ...headers)
        expect(traceId).toBe(TRACE)
        expect(state.map(([key]) => key)).toContain('foo')
      }
    })

    test.each<[string, Headers]>([
      ['another name', [['trace-state', 'foo=1']]],
      ['a name with a dot', [['trace.state', 'foo=1']]],
      ['nothing in it', lines('')],
      ['a key with a space', lines('foo =1')],
      ['a key in capitals', lines('FOO=1')],
      ['a key with a dot', lines('foo.bar=1')],
      ['a key that begins with @', lines('@foo=1,bar=2')],
      ['33 members', lines(bars(1, 10), bars(11, 20), bars(21, 30), bars(31, 33))],
      ['a key of 257 characters', lines('foo=1', `${longKey}z=1`)],
      ['a value with =', lines('foo=bar=baz')],
      ['an empty value', lines('foo=,bar=3')],
    ])('%s: is discarded, and the trace continues', async (_case, headers) => {
      const { traceId, state } = await callback(UNSAMPLED, ...headers)
      expect(traceId).toBe(TRACE)
      expect(state).toEqual([])
    })
  })
})
