/**
 * A platform that is open to the network, from a namespace that stands for the internet: what deploy.json opens is open,
 * and nothing else.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallsClient } from '../../src/client/index.ts'
import type { PlatformView } from '../../src/contract/index.ts'
import { Neighbour } from '../support/probes.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

const CODE = (name: string, body: string) => `
import { call, context, store } from '@ryo-faas/runtime'
export const ${name} = async (request: Request) => ${body}`

let platform: TestPlatform
let view: PlatformView
let internet: Neighbour
let port: number

interface Answer {
  status: number
  code: string | undefined
  body: string
}

const ask = async (path: string, init: Parameters<Neighbour['fetch']>[1] = {}): Promise<Answer> => {
  const { status, body } = await internet.fetch(`http://${internet.gateway}:${port}${path}`, init)
  return { status, body, code: /^\{"error":\{"code":"(\w+)"/.exec(body)?.[1] }
}

beforeAll(async () => {
  internet = await Neighbour.make()
  platform = await TestPlatform.make()
  view = await platform.start('process', ['--host', '0.0.0.0'])
  port = Number(new URL(view.proxyUrl).port)
  const caller = 'Response.json(context().caller ?? null)'
  const file = await writeProject(join(platform.home, 'shop'), {
    open: { code: CODE('open', "call('hidden')"), options: { access: 'public' } },
    hidden: { code: CODE('hidden', caller), options: { access: 'private' } },
    keyed: { code: CODE('keyed', caller), options: { access: 'key', rate: '1000/m' } },
    unruled: { code: CODE('unruled', caller) },
    queued: {
      code: CODE('queued', "(await store('seen').create({ caller: context().caller ?? null }), new Response())"),
      options: { access: 'key', async: true },
    },
  })
  await platform.ok(['deploy', file])
})
afterAll(async () => {
  await platform.remove()
  await internet.remove()
})

test('from the internet, what has no rule is refused, and no other door of the platform is reached', async () => {
  expect(await ask('/functions/open')).toMatchObject({ status: 200 })
  expect(await ask('/functions/unruled')).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  expect((await ask('/functions/unruled')).body).toContain('add \\"access\\" to its entry in deploy.json')
  expect(await ask('/functions/hidden')).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  expect(await ask('/functions/keyed')).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
  for (const name of ['unruled', 'hidden', 'queued']) {
    const { status } = await ask(`/async-function/${name}`, { method: 'POST', body: 'x' })
    expect([401, 403]).toContain(status)
  }
  // Their Host is an address, and they show nothing.
  for (const path of ['/metrics', '/calls', '/calls/events', '/openapi.json']) {
    expect(await ask(path)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
  }
  expect((await ask('/calls/redrive', { method: 'POST' })).status).toBe(401)
  expect((await ask('/healthz')).status).toBe(200)
  const { parts } = await platform.view()
  const ports = new Map(
    parts.flatMap(({ name, address }) => (address ? [[name, Number(address.split(':').at(-1))]] : [])),
  )
  const collector = Number(/at [\d.]+:(\d+)/.exec(parts.find(({ name }) => name === 'agent')!.note ?? '')![1])
  ports.delete('proxy')
  ports.set('collector', collector)
  expect([...ports.keys()].sort()).toEqual(expect.arrayContaining(['agent', 'collector', 'nats', 'store']))
  for (const [name, each] of ports) {
    expect([name, await internet.probe({ host: internet.gateway, port: each })]).toEqual([name, 'refused'])
  }
})

test('a private function is called by others, and by the operator, and told who it was', async () => {
  expect(JSON.parse((await ask('/functions/open')).body)).toEqual({ kind: 'function', name: 'open' })
  expect(JSON.parse(await platform.ok(['invoke', 'hidden']))).toEqual({ kind: 'operator' })
  expect(JSON.parse(await platform.ok(['invoke', 'unruled']))).toEqual({ kind: 'operator' })
})

test('a key opens its functions until it is revoked, also for calls that are queued; all of it is on record', async () => {
  const { key, view: made } = JSON.parse(
    await platform.ok(['keys', 'create', 'The shop', '--only', 'keyed', '--only', 'queued', '--json']),
  ) as { key: string; view: { id: string } }
  const headers = { 'x-api-key': key }
  const caller = { kind: 'key', id: made.id, name: 'The shop' }
  expect(JSON.parse((await ask('/functions/keyed', { headers })).body)).toEqual(caller)
  const accepted = await ask('/functions/queued', { method: 'POST', headers, body: 'x' })
  expect(accepted.status).toBe(202)
  const { callId } = JSON.parse(accepted.body) as { callId: string }
  const calls = await CallsClient.of(await platform.client(), AbortSignal.timeout(30_000))
  await until(async () => ((await calls.show(callId)).status === 'succeeded' ? true : undefined))
  const seen = await (await (await platform.store())('/tables/seen/docs')).text()
  expect(seen).toContain(JSON.stringify(caller))
  expect(await platform.ok(['keys', 'list'])).toMatch(new RegExp(`${made.id} +The shop +keyed, queued +no +20.* 20`))
  await platform.ok(['keys', 'revoke', 'The shop', '--yes'])
  expect(await ask('/functions/keyed', { headers })).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
  for (const name of ['state.json', 'audit.jsonl', 'routes.json']) {
    expect(await readFile(join(platform.home, name), 'utf8').catch(() => '')).not.toContain(key)
  }
  const actions = JSON.parse(await platform.ok(['audit', '--json'])) as {
    action: string
    target: string
    who: string
  }[]
  expect(actions.map(({ action, target }) => [action, target])).toEqual([
    ['revokeKey', 'The shop'],
    ['createKey', 'The shop'],
    ['deploy', join(platform.home, 'shop/deploy.json')],
  ])
  expect(actions[0]).toMatchObject({
    who: expect.stringMatching(/^operator \(.+\)$/),
    from: '127.0.0.1',
    outcome: 'ok',
  })
})
