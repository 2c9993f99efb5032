/** Two platforms on one NATS cluster that others run, which loses members while they work. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlatformView } from '../../src/contract/index.ts'
import { startNatsCluster, type TestCluster } from '../../src/bus/testing/nats-cluster.ts'
import { STREAMS, type Bus } from '../../src/bus/index.ts'
import { managerOf } from '../../src/bus/testing/nats-server.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until, untilTrue } from '../support/until.ts'

const CALLS = 150
const FUNCTIONS = {
  note: {
    code: `import { store } from '@ryo-faas/runtime'
export async function note(request: Request): Promise<Response> {
  const id = await request.text()
  await store('notes').replace(id, { by: process.env['RYO_FAAS_PROJECT'] ?? '' })
  return new Response('noted')
}`,
    options: { async: { attempts: 50, backoffMs: 200 } },
  },
  seen: {
    code: `import { store, type DocumentEvent } from '@ryo-faas/runtime'
export async function seen(event: DocumentEvent): Promise<void> {
  await store('seen').replace(event.id, {})
}`,
    options: { on: [{ table: 'notes', events: ['new-doc'] }] },
  },
}

let cluster: TestCluster
let shop: TestPlatform
let blog: TestPlatform
let shopView: PlatformView
let bus: Bus
beforeAll(async () => {
  cluster = await startNatsCluster()
  shop = await TestPlatform.make({ RYO_FAAS_NATS_URL: cluster.url })
  blog = await TestPlatform.make({ RYO_FAAS_NATS_URL: cluster.url })
  shopView = await shop.start('process')
  await blog.start('process')
  bus = await cluster.connect(shop.project)
})
afterAll(async () => {
  await shop?.remove()
  await blog?.remove()
  await cluster?.stop()
})

const streams = async () => (await managerOf(bus).streams.names().next()).sort()
const rows = async (table: string) => {
  const response = await (await shop.store())(`/tables/${table}`)
  return response.ok ? ((await response.json()) as { documents: number }).documents : 0
}

test('the platform says which NATS it uses, and starts none', async () => {
  const nats = shopView.parts.find(({ name }) => name === 'nats')
  expect(nats).toMatchObject({ state: 'running', note: expect.stringMatching(/cluster faas of 3, 3 copies/) })
  expect(nats?.pid).toBeUndefined()
  const all = await streams()
  for (const project of [shop.project, blog.project]) {
    expect(all.filter(name => name.includes(`rfa-${project}_`))).toHaveLength(Object.keys(STREAMS).length)
  }
  expect(await shop.ok(['doctor'])).toMatch(/ok +nats-server +\S+ and 2 more \(--nats-url\): .*cluster faas of 3/)
  expect(JSON.stringify(await shop.view()) + (await shop.ok(['env']))).not.toContain('faas-password')
})

test('no call and no event is lost while members of it are killed, and none runs on the other platform', async () => {
  for (const platform of [shop, blog]) {
    await platform.ok(['deploy', await writeProject(`${platform.home}/project`, FUNCTIONS)])
  }
  const accepted: string[] = []
  const refused = new Set<number>()
  const call = async (number: number) => {
    await untilTrue(async () => {
      const url = `${shopView.proxyUrl}/functions/note`
      const { status } = await fetch(url, {
        method: 'POST',
        body: `n${number}`,
        headers: { 'idempotency-key': `k${number}` },
      })
      if (status === 202) accepted.push(`n${number}`)
      else refused.add(status)
      return status === 202
    }, `call ${number} is accepted`)
  }
  const sending = (async () => {
    for (let at = 0; at < CALLS; at += 5) await Promise.all([0, 1, 2, 3, 4].map(n => call(at + n)))
  })()
  for (const [share, whom] of [
    [0.2, async () => (await cluster.leaderOf(bus, STREAMS.calls))!],
    [0.5, async () => (await cluster.leaderOf(bus, STREAMS.events))!],
  ] as const) {
    await untilTrue(() => accepted.length >= CALLS * share, 'enough calls are accepted')
    const member = await until(() => whom().catch(() => undefined))
    await cluster.kill(member)
    await untilTrue(async () => ![undefined, member].includes(await whom().catch(() => undefined)), 'another one leads')
    await cluster.start(member)
  }
  await sending
  expect(accepted).toHaveLength(CALLS)
  expect([...refused].every(status => status === 503)).toBe(true)
  await untilTrue(async () => (await rows('notes')) === CALLS, 'all calls have run')
  await untilTrue(async () => (await rows('seen')) === CALLS, 'all events have been seen')
  expect(await (await (await blog.store())('/tables')).json()).toMatchObject({ tables: [] })
})

test('a backup says what is not in it, and pruning removes the streams of that platform alone', async () => {
  const made = JSON.parse(await blog.ok(['backup', join(shop.home, 'blog.tar.gz'), '--json']))
  expect(made).toMatchObject({ nats: 'elsewhere', store: { kind: 'embedded' } })
  await blog.ok(['stopFaas'])
  expect((await streams()).some(name => name.includes(blog.project))).toBe(true)
  await blog.ok(['stopFaas', '--prune', '--yes'])
  expect((await streams()).some(name => name.includes(blog.project))).toBe(false)
  await shop.ok(['stopFaas', '--prune', '--yes'])
  expect(await streams()).toEqual([])
})
