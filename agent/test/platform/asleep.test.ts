/** Functions that sleep when nobody calls them, and wake when somebody does; in containers. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAgentFile } from '../../src/client/index.ts'
import type { DeploymentView } from '../../src/contract/index.ts'
import { parseExposition } from '../../src/observability/metrics/exposition.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

/** Says which process answers. */
const code = (version: string) => `
const boot = '${version} ' + Math.random()
export const fn = async (request: Request) => {
  const ms = Number(new URL(request.url).searchParams.get('ms') ?? 0)
  await new Promise(resolve => setTimeout(resolve, ms))
  return new Response(boot + (request.method === 'POST' ? ' ' + (await request.text()).length : ''))
}`
const fn = (options: object) => ({ code: code('one'), options: { export: 'fn', memoryMb: 96, ...options } })

let platform: TestPlatform
let proxyUrl: string
let file: string

beforeAll(async () => {
  platform = await TestPlatform.make()
  proxyUrl = (await platform.start('docker')).proxyUrl
  file = await writeProject(join(platform.home, 'project'), {
    nap: fn({ scale: { idleMs: 300 } }),
    leaves: fn({ scale: { idleMs: 100, keepMs: 100 } }),
    grows: fn({ concurrency: 2, scale: { max: 3, idleMs: 60_000 } }),
    later: fn({ async: true, scale: { idleMs: 100 } }),
    stays: fn({ scale: { min: 1, idleMs: 100 } }),
    ticks: fn({ scale: { idleMs: 100 }, schedule: [{ every: '1s' }] }),
    rings: fn({ scale: { idleMs: 100, keepMs: 0 }, schedule: [{ every: '1s' }] }),
    deep: fn({ async: { concurrency: 4 }, scale: { max: 4, idleMs: 100 } }),
    removed: fn({ scale: { idleMs: 100 } }),
  })
  await platform.ok(['deploy', file])
})
afterAll(() => platform.remove())

const docker = new Docker()
const containersOf = (label: string) =>
  docker.listContainers({ all: true, filters: { label: [`${platform.project}.${label}`] } })

async function call(name: string, init?: RequestInit): Promise<string> {
  const response = await fetch(`${proxyUrl}/functions/${name}`, init)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  return text
}

const viewed = async (name: string) => (await platform.client()).call('deployment', { params: { name } })

function untilView(name: string, holds: (view: DeploymentView) => boolean): Promise<DeploymentView> {
  return until(async () => {
    const view = await viewed(name)
    return holds(view) ? view : undefined
  })
}

const asleep = (name: string) => untilView(name, ({ state }) => state === 'asleep')
const statesOf = ({ instances }: DeploymentView) => instances.map(({ state }) => state)

async function coldStarts(name: string, kind: string): Promise<number> {
  const found = await readAgentFile(platform.home)
  const headers = { authorization: `Bearer ${found!.token}` }
  const page = await (await fetch(`${found!.agent.url}/metrics`, { headers })).text()
  const samples = parseExposition(page).get('faas_coldstarts_total')?.samples ?? []
  return Number(samples.find(({ labels }) => labels['faas_name'] === name && labels['kind'] === kind)?.value ?? 0)
}

test('an idle function freezes, and the call that wakes it finds its memory, and loses nothing of its body', async () => {
  const before = await call('nap')
  expect(statesOf(await asleep('nap'))).toEqual(['frozen'])
  const body = 'x'.repeat(1_000_000)
  expect(await call('nap', { method: 'POST', body })).toBe(`${before} 1000000`)
  expect(await coldStarts('nap', 'thaw')).toBeGreaterThan(0)
})

test('a call that runs for longer than the idle time is not frozen', async () => {
  await call('nap?ms=1500')
})

test('one that sleeps for long goes, and a call starts another', async () => {
  const before = await call('leaves')
  await untilView('leaves', view => view.instances.length === 0 && view.state === 'asleep')
  expect(await call('leaves')).not.toBe(before)
})

test('calls that wait get as many instances as their concurrency takes, and all are answered', async () => {
  const answers = await Promise.all(Array.from({ length: 6 }, () => call('grows?ms=3000')))
  expect(new Set(answers).size).toBeGreaterThan(1)
  expect((await viewed('grows')).desiredInstances).toBe(3)
})

test('what always runs does not sleep', async () => {
  expect(await viewed('stays')).toMatchObject({ state: 'running', desiredInstances: 1 })
})

test('an asynchronous call wakes it', async () => {
  await asleep('later')
  const response = await fetch(`${proxyUrl}/functions/later`, { method: 'POST', body: 'ab' })
  expect(response.status).toBe(202)
  await until(async () => (await platform.ok(['calls', '--function', 'later'])).includes('succeeded') || undefined)
})

test('a schedule wakes what is frozen, and starts what is gone', async () => {
  await until(async () => (await coldStarts('ticks', 'thaw')) > 0 || undefined)
  await until(async () => (await coldStarts('rings', 'new')) > 0 || undefined)
  await platform.ok(['stop', 'ticks', 'rings'])
})

test('a long queue gets more instances, and none sleeps before it is empty', async () => {
  const calls = Array.from({ length: 16 }, () => fetch(`${proxyUrl}/functions/deep?ms=1000`, { method: 'POST' }))
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 202))
  const states: string[] = []
  await untilView('deep', view => {
    states.push(view.state)
    return view.desiredInstances > 1
  })
  expect(states).not.toContain('asleep')
  await asleep('deep')
  expect(await platform.ok(['calls', '--function', 'deep'])).not.toMatch(/queued|running/)
})

test('a deployment that sleeps can be removed: nothing is left of it', async () => {
  await asleep('removed')
  await platform.ok(['stop', 'removed'])
  const left = await until(async () => {
    const found = await containersOf('function=removed')
    return found.length === 0 ? found : undefined
  })
  expect(left).toEqual([])
})

test('a number is fixed, 0 sleeps at once, and auto is as deploy.json says', async () => {
  await platform.ok(['scale', 'nap', '2'])
  expect(await viewed('nap')).toMatchObject({ desiredInstances: 2, scale: { min: 2, max: 2 }, state: 'running' })
  expect(await platform.ok(['scale', 'nap', '0'])).toContain('nap is asleep until it is called')
  expect(statesOf(await viewed('nap')).filter(state => state === 'ready')).toEqual([])
  await call('nap')
  expect(await platform.ok(['scale', 'nap', 'auto'])).toContain('nap now has 0 to 10 instances')
})

test('the version before stays asleep, and a rollback wakes it', async () => {
  const before = await call('nap')
  const main = join(platform.home, 'project/nap/main.ts')
  await writeFile(main, (await readFile(main, 'utf8')).replace('one', 'two'))
  await platform.ok(['deploy', file, '--only', 'nap'])
  expect(await call('nap')).toMatch(/^two/)
  await untilView('nap', ({ instances }) => instances.some(({ version, state }) => version === 1 && state === 'frozen'))
  await platform.ok(['rollback', 'nap'])
  expect(await call('nap')).toMatch(/^one/)
  expect(before).toMatch(/^one/)
})

test('what sleeps when the agent dies is woken by the next one', async () => {
  const before = await call('nap')
  await asleep('nap')
  const { parts } = await platform.view()
  process.kill(parts.find(({ name }) => name === 'agent')!.pid!, 'SIGKILL')
  await until(async () => {
    const view = await viewed('nap').catch(() => undefined)
    return view?.state === 'asleep' || undefined
  })
  expect(await call('nap')).toBe(before)
})

test('one that is paused from outside is thawed', async () => {
  const { instances } = await viewed('stays')
  const [container] = await containersOf(`instance=${instances[0]!.id}`)
  const before = await call('stays')
  await docker.getContainer(container!.Id).pause()
  expect(await call('stays')).toBe(before)
})

test('stopFaas ends what sleeps like everything else', async () => {
  await asleep('nap')
  const out = await platform.ok(['stopFaas'])
  expect(out).toContain('nap')
  expect(
    (await docker.listContainers({ all: true })).filter(({ Names }) => Names[0]!.includes(platform.project)),
  ).toEqual([])
})
