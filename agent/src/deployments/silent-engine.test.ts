/** An agent that leads while its engine does not say what runs: through the real deployer, on threads that all share. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, type DeployEvent } from '../contract/index.ts'
import type { Deployer, DeployerOptions } from './index.ts'
import { StateStore } from './state/index.ts'
import type { Instance } from '../engines/index.ts'
import { createLanguages, type Languages } from '../languages/index.ts'
import { RouteTable } from '../routes/index.ts'
import { loneDeployer } from '../../test/support/lone-deployer.ts'
import { writeProject } from '../../test/support/platform.ts'
import { until } from '../../test/support/until.ts'
import { ThreadEngine, Threads } from '../../test/engine/thread-engine.ts'

const RUNTIME = fileURLToPath(new URL('../../../runtime/src', import.meta.url))
const NO_LEADER = new RyoFaasError('DOCKER_UNREACHABLE', "Docker's managers have not chosen a leader yet")
const never = new AbortController().signal

/** What can be said of the instances is not known for a while. */
class SilentEngine extends ThreadEngine {
  readonly isShared = true
  isSilent = false

  override async instances(route?: string): Promise<Instance[]> {
    if (this.isSilent) throw NO_LEADER
    return super.instances(route)
  }
}

let home: string
const threads = new Threads()
let languages: Languages
let state: StateStore
/** What was published, in order, by whatever agent. */
const tables: RouteTable[] = []
const agents: { deployer: Deployer; engine: SilentEngine }[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-silent-'))
  languages = createLanguages({ runtimeDir: RUNTIME, cacheDir: join(home, 'cache'), environment: process.env })
  state = await StateStore.open(join(home, 'state.json'))
  const { deployer } = await lead()
  await deploy(deployer, 'one', 'two')
  await deployer.close()
  expect(Object.values(published()).map(({ length }) => length)).toEqual([1, 1])
})
afterEach(async () => {
  for (const { deployer } of agents) await deployer.close()
})
afterAll(async () => {
  const { engine } = agents.at(-1)!
  engine.isSilent = false
  await engine.cleanUp()
  for (const agent of agents.splice(0)) await agent.engine.close()
  await languages.close()
  await rm(home, { recursive: true, force: true })
})

/** One that leads from now on. */
async function lead({
  isSilent = false,
  lastRoutes,
}: { isSilent?: boolean } & Pick<DeployerOptions, 'lastRoutes'> = {}) {
  const engine = new SilentEngine(home, threads)
  engine.isSilent = isSilent
  const { reach } = await engine.prepare()
  const waits: (string | undefined)[] = []
  const deployer: Deployer = await loneDeployer({
    ...{ home, engine, state, languages, lastRoutes, proxyUrl: `http://${reach.proxyHost}:1` },
    routes: { publish: async table => void tables.push(RouteTable.parse(JSON.parse(JSON.stringify(table)))) },
    onWaiting: () => void waits.push(deployer.waitsFor),
  })
  agents.push({ deployer, engine })
  await deployer.start()
  return { deployer, engine, waits }
}

async function deploy(deployer: Deployer, ...names: string[]): Promise<DeployEvent[]> {
  const functions = names.map(name => [
    name,
    { code: `export const ${name} = (_request: Request) => new Response('${name}')`, options: { instances: 1 } },
  ])
  const file = await writeProject(join(home, 'project'), Object.fromEntries(functions) as never)
  const events: DeployEvent[] = []
  await deployer.deploy(
    { file, buildOnly: false, debug: false, replace: false },
    event => void events.push(event),
    never,
  )
  return events
}

/** Ids of the instances in the table that was published last, by function. */
const published = () =>
  Object.fromEntries(tables.at(-1)!.routes.map(({ name, instances }) => [name, instances.map(({ id }) => id)]))

async function call(name: string): Promise<string> {
  const { host, port } = tables.at(-1)!.routes.find(route => route.name === name)!.instances[0]!
  return (await fetch(`http://${host}:${port}${FUNCTIONS_PREFIX}${name}`)).text()
}

test('without what was published before, nothing is published until all that serve are known', async () => {
  const [before, count] = [published(), tables.length]
  const { deployer, engine } = await lead({ isSilent: true })
  await deployer.republish()
  const told = deployer.publish()
  expect(tables.length).toBe(count)
  engine.isSilent = false
  await told
  expect(tables.slice(count).map(({ routes }) => routes.map(({ instances }) => instances.length))).not.toContainEqual(
    expect.arrayContaining([0]),
  )
  expect(published()).toEqual(before)
})

test('it leads at once, what was published goes on whole, and what runs is adopted when the engine answers', async () => {
  const before = published()
  const count = tables.length
  let asked = 0
  const lastRoutes = async () => {
    asked += 1
    if (asked === 1) throw new Error('its stream has no leader')
    return tables.at(-1)!.routes
  }
  const { deployer, engine, waits } = await lead({ isSilent: true, lastRoutes })
  await until(async () => tables.length > count || undefined)
  expect([published(), deployer.waitsFor]).toEqual([before, NO_LEADER.message])
  expect(await call('one')).toBe('one')
  expect((await deployer.list()).map(({ state: is, instances }) => [is, instances.length])).toEqual([
    ['running', 1],
    ['running', 1],
  ])
  // A key that is revoked now is revoked now.
  await state.update(next => void (next.keys['k1'] = { id: 'k1', name: 'shop', hash: 'h', createdAt: '' } as never))
  await deployer.publish()
  expect([published(), tables.at(-1)!.keys?.length]).toEqual([before, 1])
  // What needs the engine waits for it, and says so.
  const deploying: DeployEvent[] = []
  const empty = { project: 'p', file: 'p/deploy.json', functions: [], debug: false, explain: false, replace: false }
  const deployed = deployer.deployPackages(empty, event => void deploying.push(event), never)
  expect(deploying).toEqual([{ type: 'waiting', why: NO_LEADER.message }])
  const scaled = deployer.lifecycle.scale('two', 0, never)
  // One of them dies meanwhile.
  await threads.all.get(before['one']![0]!)!.worker.terminate()
  engine.isSilent = false
  await Promise.all([scaled, deployed])
  await until(
    async () => (published()['one']!.length === 1 && published()['one']![0] !== before['one']![0]) || undefined,
  )
  expect(await call('one')).toBe('one')
  expect([published()['two'], waits]).toEqual([[], [NO_LEADER.message, undefined]])
})

test('a version that the agent before had not published yet is served when it is known to run', async () => {
  const before = published()
  const versionOfOne = () => tables.at(-1)!.routes.find(({ name }) => name === 'one')!.version
  const last = tables.at(-1)!.routes
  // It died in between: the state names a version that no table has.
  await state.update(({ deployments: { one } }) => {
    one!.versions.push({ ...one!.versions[0]!, version: 2 })
    Object.assign(one!, { active: 2, nextVersion: 3 })
  })
  const count = tables.length
  const { engine } = await lead({ isSilent: true, lastRoutes: async () => last })
  await until(async () => tables.length > count || undefined)
  expect([published(), versionOfOne()]).toEqual([before, 1])
  engine.isSilent = false
  await until(async () => (versionOfOne() === 2 && published()['one']!.length === 1) || undefined)
  expect(published()['one']).not.toEqual(before['one'])
})
