/**
 * A backup of a platform that works, and what it is worth: the home that is restored from it has every document, every
 * call that was accepted before, and goes on with them.
 */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isStopped } from '../../src/host/index.ts'
import { furtherTest } from '../support/further-test.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

/** Between two calls of the load. */
const PAUSE_MS = 10

let first: TestPlatform
let second: TestPlatform
let folder: string
let file: string
let key: string
let token: string

const FUNCTIONS = {
  greet: {
    code: `export const greet = () => new Response('hello ' + process.env.WORD)`,
    options: { secrets: ['WORD'] },
  },
  guarded: { code: `export const guarded = () => new Response('in')`, options: { access: 'key' } },
  gate: {
    code: `import { setTimeout } from 'node:timers/promises'
      import { store } from '@ryo-faas/runtime'
      export async function gate(_: Request) {
        while ((await store('gates').get('open')) === undefined) await setTimeout(200)
        return new Response('through')
      }`,
    options: { async: true, timeoutMs: 600_000 },
  },
  seen: {
    code: `import { store } from '@ryo-faas/runtime'
      export async function seen({ id }: { id: string }) {
        await store('seen').replace(id, { n: 1 })
      }`,
    options: { on: [{ table: 'orders', events: ['new-doc'] }] },
  },
  tick: {
    code: `export const tick = () => new Response('tick')`,
    options: { schedule: [{ cron: '0 4 1 1 *' }] },
  },
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-backup-'))
  file = join(folder, 'home.tar.gz')
  first = await TestPlatform.make()
  second = await TestPlatform.make()
  await first.start('process')
  await first.ok(['secrets', 'set', 'WORD'], { input: 'you' })
  await first.ok(['deploy', await writeProject(join(first.home, 'project'), FUNCTIONS)])
  key = (JSON.parse(await first.ok(['keys', 'create', 'shop', '--json'])) as { key: string }).key
  token = (JSON.parse(await first.ok(['token', 'create', 'ann', '--can', 'read', '--json'])) as { token: string }).token
})
afterAll(async () => {
  await first.remove()
  await second.remove()
  await rm(folder, { recursive: true, force: true })
})

/** Orders and calls, one after the other, until told to stop. */
function work(platform: TestPlatform) {
  let isOver = false
  const orders: string[] = []
  const calls: string[] = []
  const run = async () => {
    const store = await platform.store()
    const { proxyUrl } = await platform.view()
    while (!isOver) {
      const id = `order-${orders.length}`
      const body = JSON.stringify({ id, data: { n: orders.length } })
      const headers = { 'content-type': 'application/json' }
      if ((await store('/tables/orders/docs', { method: 'POST', body, headers })).status === 201) orders.push(id)
      const response = await fetch(`${proxyUrl}/functions/gate`, { method: 'POST' })
      if (response.status === 202) calls.push(response.headers.get('x-call-id')!)
      await pause(PAUSE_MS)
    }
  }
  const running = run()
  return {
    orders,
    calls,
    stop: async () => {
      isOver = true
      await running
    },
  }
}

/** Lets the waiting calls through. */
async function open(platform: TestPlatform): Promise<void> {
  await platform.ok(['store', 'put', 'gates', 'open', '--data', '1'])
}

test('is taken while the platform works, and a home that is restored from it goes on with everything', async () => {
  const load = work(first)
  await until(async () => load.orders.length >= 30 || undefined)
  const [orders, calls] = [[...load.orders], [...load.calls]]
  const made = JSON.parse(await first.ok(['backup', file, '--json']))
  await load.stop()
  await open(first)
  expect(load.orders.length).toBeGreaterThan(orders.length)
  expect(made).toMatchObject({ file, project: first.project, store: { kind: 'embedded' } })
  expect(made.store.sequence).toBeGreaterThanOrEqual(orders.length)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(first.home, 'run', 'backup'))).toEqual([])

  const restored = await second.ok(['restore', file, '--digest', made.digest])
  expect(restored).toContain(made.digest)
  await second.start('process')
  expect(await second.ok(['invoke', 'greet'])).toBe('hello you')
  const { proxyUrl } = await second.view()
  const guarded = (headers: Record<string, string>) => fetch(`${proxyUrl}/functions/guarded`, { headers })
  expect((await guarded({})).status).toBe(401)
  expect(await (await guarded({ authorization: `Bearer ${key}` })).text()).toBe('in')
  const agent = JSON.parse(await readFile(join(second.home, 'agent.json'), 'utf8')) as { url: string }
  const asked = await fetch(`${agent.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })
  expect(await asked.json()).toMatchObject({ token: { name: 'ann' } })
  expect(await second.ok(['schedules', 'list'])).toContain('tick')

  // Every document of before; the trigger has seen each that is there, once the relay has caught up.
  const store = await second.store()
  const idsIn = async (table: string) => {
    const text = await (await store(`/tables/${table}/export?plain=false`)).text()
    return text.split('\n').filter(Boolean).map(line => (JSON.parse(line) as { id: string }).id) // prettier-ignore
  }
  const present = await idsIn('orders')
  expect(present).toEqual(expect.arrayContaining(orders))
  await until(async () => (await idsIn('seen')).length === present.length || undefined)

  // Every call of before is there and waits; none is there without being run.
  await open(second)
  const statusOf = async (id: string) => {
    const response = await fetch(`${proxyUrl}/calls/${id}`)
    return response.status === 200 ? ((await response.json()) as { status: string }).status : response.status
  }
  for (const id of calls) await until(async () => ((await statusOf(id)) === 'succeeded' ? true : undefined), 30_000, id)
  const isRun = async (id: string) => [404, 'succeeded'].includes(await statusOf(id)) || undefined
  for (const id of load.calls.slice(calls.length)) await until(() => isRun(id), 30_000, id)
}, 120_000)

furtherTest('a running home, and one that is not empty, are left as they are', async () => {
  const running = await second.cli(['restore', file])
  expect([running.code, running.stderr]).toEqual([1, expect.stringContaining('[ALREADY_RUNNING]')])
  await second.ok(['stopFaas'])
  const full = await second.cli(['restore', file])
  expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/--replace.*\[HOME_NOT_EMPTY\]|\[HOME_NOT_EMPTY\].*--replace/s)]) // prettier-ignore
  expect(await second.ok(['restore', file, '--replace'])).toContain('before-restore-')
  await second.start('process')
  expect(await second.ok(['invoke', 'greet'])).toBe('hello you')
})

test('an agent that is killed while it takes one leaves nothing behind, and NATS runs', async () => {
  const path = join(folder, 'killed.tar.gz')
  const { parts } = await first.view()
  const pidOf = (name: string) => parts.find(part => part.name === name)!.pid!
  const staging = join(first.home, 'run', 'backup')
  const backing = first.spawnCli(['backup', path])
  const ended = once(backing, 'exit') as Promise<[number]>
  await until(async () => (await readdir(staging).catch(() => []))[0])
  process.kill(pidOf('agent'), 'SIGKILL')
  const [code] = await ended
  const isKept = (await readdir(folder)).includes('killed.tar.gz')
  expect(isKept).toBe(code === 0)
  expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).toEqual([])
  await until(async () => (await first.view().catch(() => undefined))?.phase.kind === 'ready' || undefined)
  await until(async () => !(await isStopped({ pid: pidOf('nats'), startedAt: '' })) || undefined)
  expect(await readdir(staging).catch(() => [])).toEqual([])
  expect(await first.ok(['backup', path, '--force'])).toContain('digest')
  const [again, piped] = await Promise.all([first.cli(['backup', path]), first.cli(['backup', '-'])])
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('--force')])
  expect([piped.code, piped.stderr]).toEqual([0, expect.stringContaining('digest')])
})
