/** Two agents of one platform, each with a home of its own as on two machines. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, type TestNats } from '../../src/bus/testing/nats-server.ts'
import { readAgentFile } from '../../src/client/index.ts'
import type { PlatformView } from '../../src/contract/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { SilentManager } from '../support/silent-manager.ts'
import { TestPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

let nats: TestNats
let postgres: TestPostgres
let keys: string
let one: TestPlatform
let two: TestPlatform
let flags: string[]

beforeAll(async () => {
  ;[nats, postgres, keys] = await Promise.all([
    startNats(),
    TestPostgres.start(),
    mkdtemp(join(tmpdir(), 'rfa-cluster-')),
  ])
  ;[one, two] = await Promise.all([TestPlatform.make(), TestPlatform.make()])
  Object.assign(two, { project: one.project })
  const natsUrl = nats.url.replace('://', `://${nats.user}:${nats.password}@`)
  flags = ['--nats-url', natsUrl, '--store', postgres.url(), '--cluster-key', join(keys, 'key')]
})
afterAll(async () => {
  await one?.remove()
  await two?.remove()
  await nats?.stop()
  await postgres?.stop()
  if (keys) await rm(keys, { recursive: true })
})

const roleOf = async (platform: TestPlatform) => (await platform.view()).cluster?.role
const agentsOf = ({ cluster }: PlatformView) => cluster?.agents.map(({ role }) => role).sort()
const pidsOf = ({ parts }: PlatformView) => parts.flatMap(({ pid }) => pid ?? [])

async function metricsOf(platform: TestPlatform): Promise<string> {
  const { agent, token } = (await readAgentFile(platform.home))!
  return (await fetch(`${agent.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
}

async function deploy(platform: TestPlatform, name: string, answer: string, isAgain = false): Promise<void> {
  const folder = join(platform.home, `project-${name}`)
  await mkdir(folder, { recursive: true })
  await writeProject(folder, {
    [name]: {
      code: `export const ${name} = () => new Response(${JSON.stringify(answer)} + (process.env.WORD ?? ''))`,
      options: { secrets: ['WORD'] },
    },
  })
  // The same functions, from another folder than before.
  await platform.ok(['deploy', join(folder, 'deploy.json'), ...(isAgain ? ['--replace'] : [])])
}

async function call(platform: TestPlatform, name: string): Promise<string | undefined> {
  const { proxyUrl } = await platform.view()
  const response = await fetch(`${proxyUrl}/functions/${name}`).catch(() => undefined)
  return response?.ok ? response.text() : undefined
}

/** With everything that it runs, as a machine that loses its power. */
async function killMachine(platform: TestPlatform): Promise<void> {
  const view = await platform.view()
  const folder = join(platform.home, 'run', 'instances')
  const records = (await readdir(folder)).filter(name => name.endsWith('.json'))
  const functions = await Promise.all(
    records.map(async name => {
      const { identity } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { identity: { pid: number } }
      return identity.pid
    }),
  )
  for (const pid of [...pidsOf(view), ...functions]) process.kill(pid, 'SIGKILL')
}

test('the second agent stands by, and answers with what the first one says', async () => {
  const first = await one.start('process', flags)
  expect(first.cluster).toMatchObject({ role: 'leads' })
  await one.ok(['secrets', 'set', 'WORD'], { input: '!' })
  await deploy(one, 'hello', 'first')
  const second = await two.start('process', flags)
  expect(second.cluster?.role).toBe('stands-by')
  expect(second.parts.map(({ name }) => name).sort()).toEqual(['agent', 'keeper'])
  await until(async () => agentsOf(await two.view())?.join() === 'leads,stands-by' || undefined)
  const told = await two.ok(['details'])
  for (const word of ['leads', 'stands by', 'hello']) expect(told).toContain(word)
  expect((await two.details('hello')).version).toBe(1)
  expect(await call(one, 'hello')).toBe('first!')
  for (const platform of [one, two]) expect(await metricsOf(platform)).toMatch(/^faas_leader\{.*agent="[^"]+".*\} 1$/m)
})

test('what is deployed on its machine goes to the one that leads', async () => {
  await deploy(two, 'other', 'second')
  expect(await call(one, 'other')).toBe('second!')
  expect((await one.details('other')).version).toBe(1)
})

test('the machine of the one that leads dies: the other one goes on with everything', async () => {
  await killMachine(one)
  await until(async () => (await call(two, 'hello')) === 'first!' || undefined)
  expect(await roleOf(two)).toBe('leads')
  await until(async () => (await call(two, 'other')) === 'second!' || undefined)
  await deploy(two, 'hello', 'third', true)
  expect(await call(two, 'hello')).toBe('third!')
})

test('the machine that died comes back and stands by: nothing of what it ran is left', async () => {
  const back = await one.start('process', flags)
  expect([back.cluster?.role, back.parts.map(({ name }) => name).sort()]).toEqual(['stands-by', ['agent', 'keeper']])
  expect((await one.details('hello')).version).toBe(2)
})

test('a leader that stands still is followed, and when it wakes it changes nothing and stands by', async () => {
  const before = await two.view()
  const { pid } = before.parts.find(({ name }) => name === 'agent')!
  process.kill(pid!, 'SIGSTOP')
  await until(async () => ((await roleOf(one)) === 'leads' && (await call(one, 'hello')) === 'third!') || undefined)
  await deploy(one, 'hello', 'fourth', true)
  process.kill(pid!, 'SIGCONT')
  await until(async () => {
    const view = await two.view().catch(() => undefined)
    const agent = view?.parts.find(({ name }) => name === 'agent')
    const standsBy = view?.cluster?.role === 'stands-by' && view.phase.kind === 'ready'
    return (standsBy && agent?.pid !== pid) || undefined
  })
  expect((await two.details('hello')).version).toBe(3)
  expect(await call(one, 'hello')).toBe('fourth!')
})

test('the one that leads is stopped: the other one leads at once', async () => {
  await one.ok(['stopFaas'])
  await until(async () => (await call(two, 'hello')) === 'fourth!' || undefined)
  expect(agentsOf(await two.view())).toEqual(['leads'])
})

test('a second agent with the engine docker on the same Docker does not start', async () => {
  const [three, four] = await Promise.all([TestPlatform.make(), TestPlatform.make()])
  for (const platform of [three, four]) Object.assign(platform, { project: one.project })
  try {
    expect((await three.start('docker', flags)).cluster?.role).toBe('stands-by')
    await expect(four.start('docker', flags)).rejects.toThrow(/uses the same Docker[\s\S]*--engine swarm/)
    expect((await four.cli(['details'])).stderr).toContain('[NOT_RUNNING]')
    await until(async () => agentsOf(await two.view())?.join() === 'leads,stands-by' || undefined)
  } finally {
    await three.remove()
    await four.remove()
  }
})

test("while Docker's managers have no leader another agent leads all the same, and says what waits for them", async () => {
  const docker = await SilentManager.start()
  const environment = { DOCKER_HOST: docker.dockerHost }
  const [three, four] = await Promise.all([TestPlatform.make(environment), TestPlatform.make(environment)])
  Object.assign(four, { project: three.project })
  const own = [...flags.slice(0, -1), join(keys, 'of-the-swarm')]
  try {
    await three.start('swarm', own)
    expect((await four.start('swarm', own)).cluster?.role).toBe('stands-by')
    // It has prepared its engine: from here on that needs no Docker.
    await until(async () => docker.prepared > 1 || undefined)
    docker.hasLeader = false
    for (const pid of pidsOf(await three.view())) process.kill(pid, 'SIGKILL')
    const leading = await until(async () => {
      const view = await four.view()
      return view.cluster?.role === 'leads' && view.phase.kind === 'ready' ? view : undefined
    })
    const reason = "Docker's managers have not chosen a leader yet"
    expect(leading.waitsFor).toBe(reason)
    expect(await four.ok(['details'])).toContain(reason)
    // What needs no Docker is done at once.
    expect(await four.ok(['keys', 'create', 'shop'])).toMatch(/^ryofaas_/)
    // What needs it says what it waits for, and goes on.
    const file = await writeProject(join(four.home, 'project'), { hi: { code: 'export const hi = () => "hi"' } })
    const deploying = four.spawnCli(['deploy', file, '--only', 'other'])
    let said = ''
    deploying.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(async () => said.includes(`waiting: ${reason}`) || undefined)
    docker.hasLeader = true
    await until(async () => said.includes('[DEPLOYMENT_NOT_FOUND]') || undefined)
    expect((await four.view()).waitsFor).toBeUndefined()
  } finally {
    docker.hasLeader = true
    await four.remove()
    await three.remove()
    docker.stop()
  }
})

test('an agent without the key of the others does not start', async () => {
  const own = [...flags.slice(0, -1), join(keys, 'another')]
  await expect(one.start('process', own)).rejects.toThrow('CLUSTER_KEY_WRONG')
  await writeFile(join(keys, 'another'), Buffer.alloc(32, 1).toString('base64url'))
  await expect(one.start('process', own)).rejects.toThrow('CLUSTER_KEY_WRONG')
})
