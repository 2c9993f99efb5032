/** What an instance does in every language; Node's is tried in `runtime/src/serve`. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Instance } from '../../src/engines/index.ts'
import type { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { until } from '../support/until.ts'
import { expectKeyWanted, INSTANCE_KEY } from './instance-key.ts'
import type { BuiltCode, LanguageBench } from './language-bench.ts'
import { expectNothingUnread } from './stalled-drain.ts'

export interface InstanceUnderTest {
  bench: LanguageBench
  /**
   * A service. `/seen` answers with its path, parameters, headers and call id, in this order, `/body` with what it got,
   * `/late` when its time is over, and `/held` begins its answer and ends it with `held` once it has the whole body.
   */
  files: Record<string, string>
  /** One handler that answers `/seen`, without an app that has to be shut down: that would give it time. Default: `files`. */
  plain?: Record<string, string>
  /** What it says that it serves. */
  served: object
  /** The beginning of `/seen/x?a=1` with the parameter `id`, which is 7. */
  seen: RegExp
  /** The whole answer of `/held`. */
  held: string
  /** Paths of handlers that throw, or answer what is no answer. */
  failing: readonly string[]
  /** Paths of handlers that answer when their time is over. */
  late: readonly string[]
  /** Lines about the first one that failed. */
  logged: readonly RegExp[]
}

export interface RunningInstance {
  url: string
}

/** @param own tests of the same instance, which run before it is stopped */
export function instanceContract(
  name: string,
  under: InstanceUnderTest,
  own: (instance: RunningInstance) => void = () => undefined,
): void {
  const { bench } = under
  const env = {
    RYO_FAAS_TIMEOUT_MS: '60000',
    RYO_FAAS_CONCURRENCY: '2',
    RYO_FAAS_BODY_LIMIT_BYTES: '10',
    RYO_FAAS_DELIVERY_TOKEN: 'secret',
  }

  describe(`an instance in ${name}`, () => {
    const instance = {} as RunningInstance
    let engine: ProcessEngine
    let code: BuiltCode
    const get = (path: string, init?: RequestInit) => fetch(instance.url + path, init)
    beforeAll(async () => {
      engine = bench.engine('home')
      code = await bench.build(await bench.check(under.files, { kind: 'service' }), 'service')
      instance.url = await bench.start(engine, code, { env })
    })

    /** In the middle of a call until it is released. */
    const hold = async () => {
      const sent = request(`${instance.url}/held`, { method: 'POST' })
      sent.flushHeaders()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return {
        release: () => {
          sent.end()
          return text(response)
        },
      }
    }

    test('says what it serves and counts what it did', async () => {
      expect(await (await get('/.ryo-faas/health')).json()).toMatchObject({
        ...{ status: 'ok', version: 0, instance: 'aa' },
        served: under.served,
      })
      expect(await (await get('/.ryo-faas/metrics')).text()).toContain('# TYPE faas_invocations_total counter')
      expect((await get('/.ryo-faas/events/any', { method: 'POST' })).status).toBe(404)
    })

    test('with a key it answers only connections that have shown it', async () => {
      const withKey = { ...env, RYO_FAAS_INSTANCE_KEY: INSTANCE_KEY }
      await expectKeyWanted(await bench.start(engine, code, { id: 'bb', env: withKey }))
    })

    test('hides what belongs to the platform, and believes a call id from the platform only', async () => {
      const params = encodeURIComponent(JSON.stringify({ id: '7' }))
      const claim = { 'x-call-id': 'claimed', 'x-ryo-faas-params': params }
      const seen = async (headers: Record<string, string>) => (await get('/seen/x?a=1', { headers })).text()
      expect(await seen(claim)).toMatch(under.seen)
      expect(await seen(claim)).not.toContain('claimed')
      const delivered = await seen({ ...claim, 'x-ryo-faas-delivery': 'secret', 'x-ryo-faas-instance': 'aa' })
      expect(delivered).toContain('claimed')
      expect(delivered).not.toMatch(/secret|Ryo-Faas/i)
      const other = await get('/seen', { headers: { 'x-ryo-faas-instance': 'bb' } })
      expect([other.status, other.headers.get('x-ryo-faas-instance')]).toEqual([421, 'aa'])
    })

    test('an error, a late handler, too large a body and one call too many are answers of the platform', async () => {
      for (const path of under.failing) expect(await errorOf(await get(path))).toEqual([500, 'FUNCTION_ERROR'])
      const headers = { 'x-ryo-faas-deadline-ms': '20' }
      for (const path of under.late) {
        expect(await errorOf(await get(path, { headers }))).toEqual([504, 'FUNCTION_TIMEOUT'])
      }
      const send = (body: string | ReadableStream) =>
        get('/body', { method: 'POST', body, duplex: 'half' } as RequestInit)
      expect(await (await send('0123456789')).text()).toBe('0123456789')
      expect(await errorOf(await send('0123456789a'))).toEqual([413, 'PAYLOAD_TOO_LARGE'])
      expect(await errorOf(await send(new Blob(['0123456789a']).stream()))).toEqual([413, 'PAYLOAD_TOO_LARGE'])
      expect(await errorOf(await get('/nothing'))).toEqual([404, 'HANDLER_NOT_FOUND'])

      const held = await Promise.all([hold(), hold()])
      expect(await errorOf(await get('/seen'))).toEqual([429, 'FUNCTION_OVERLOADED'])
      expect(await Promise.all(held.map(({ release }) => release()))).toEqual([under.held, under.held])
    })

    own(instance)

    test('a drain answers requests that came while the process had no CPU, on connections old and new', async () => {
      const plain = under.plain === undefined ? code : await bench.build(await bench.check(under.plain), 'plain')
      let count = 0
      await expectNothingUnread(async () => {
        const id = `stalled${++count}`
        const url = await bench.start(engine, plain, { id, env })
        return { url, pid: pidOf(await engine.instance(id)) }
      })
    })

    test('an instance that has to stop finishes what it began, also if told twice, and what it printed is in its log', async () => {
      const held = await hold()
      const pid = pidOf(await engine.instance('aa'))
      const stopped = engine.stop('aa', 5_000)
      await until(async () => (await get('/seen').catch(() => undefined))?.status !== 200 || undefined)
      process.kill(pid, 'SIGTERM')
      expect(await held.release()).toBe(under.held)
      await stopped
      const log = await readFile(bench.path('home/logs/functions/hello/aa.log'), 'utf8')
      for (const line of under.logged) expect(log).toMatch(line)
    })
  })
}

/** Of an instance of the engine `process`. */
const pidOf = (instance: Instance | undefined) => Number(/pid (\d+)/.exec(instance!.name)![1])

/** Status and code of an answer that is the platform's. */
export async function errorOf(response: Response): Promise<[status: number, code: string]> {
  const { error } = (await response.json()) as { error: { code: string } }
  expect(response.headers.get('x-ryo-faas-error')).toBe(error.code)
  return [response.status, error.code]
}
