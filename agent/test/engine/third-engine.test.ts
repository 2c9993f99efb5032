/** A deploy through the real deployer on an engine that the platform does not know: a row in the registry is enough. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import type { DeployEvent } from '../../src/contract/index.ts'
import type { Deployer } from '../../src/deployments/index.ts'
import { DockerService } from '../../src/docker/index.ts'
import { chooseEngine, ENGINES, type Engine } from '../../src/engines/index.ts'
import { createLanguages, type Languages } from '../../src/languages/index.ts'
import type { Route } from '../../src/routes/index.ts'
import { loneDeployer } from '../support/lone-deployer.ts'
import { writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { Threads, threadType } from './thread-engine.ts'

const RUNTIME = fileURLToPath(new URL('../../../runtime/src', import.meta.url))
const never = new AbortController().signal

let home: string
let engine: Engine
let languages: Languages
let deployer: Deployer
let routes: Route[]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-third-'))
  const environment = process.env
  engine = await chooseEngine(
    {
      ...{ engine: 'thread', project: 'rfat', home, nodePath: process.execPath, environment },
      ...{ egress: 'internet', baseImage: 'auto', docker: new DockerService(environment), runsOn: undefined },
    },
    [...ENGINES, threadType(new Threads())],
  )
  const { reach } = await engine.prepare(() => undefined)
  languages = createLanguages({ runtimeDir: RUNTIME, cacheDir: join(home, 'cache'), environment })
  routes = []
  deployer = await loneDeployer({
    ...{ home, engine, languages, proxyUrl: `http://${reach.proxyHost}:1` },
    routes: { publish: async table => void (routes = table.routes) },
  })
  await deployer.start()
})
afterEach(async () => {
  await deployer.stopInstances()
  await engine.cleanUp(true)
  await engine.close()
  await languages.close()
  await rm(home, { recursive: true, force: true })
})

const project = (answer: string) =>
  writeProject(join(home, 'project'), {
    hello: { code: `export const hello = (_request: Request) => new Response(${JSON.stringify(answer)})` },
  })

async function deploy(answer: string, more: { debug?: boolean } = {}): Promise<DeployEvent[]> {
  const events: DeployEvent[] = []
  const request = { file: await project(answer), buildOnly: false, debug: false, replace: false, ...more }
  await deployer.deploy(request, event => void events.push(event), never)
  return events
}

async function answerOf(route: string): Promise<string> {
  const address = routes.find(({ name }) => name === route)!.instances[0]!
  return (await fetch(`http://${address.host}:${address.port}${FUNCTIONS_PREFIX}${route}`)).text()
}

test('functions are deployed, replaced, restarted when they die, and removed', async () => {
  expect(await deploy('one')).toContainEqual(expect.objectContaining({ type: 'deployed', version: 1 }))
  expect(await answerOf('hello')).toBe('one')
  expect(await deploy('two')).toContainEqual(expect.objectContaining({ type: 'deployed', version: 2 }))
  expect(await answerOf('hello')).toBe('two')
  const { id } = deployer.ready()[0]!.instances[0]!
  await engine.stop(id, 0)
  await until(async () => {
    const [next] = deployer.ready()[0]!.instances
    return (next !== undefined && next.id !== id) || undefined
  })
  expect(await answerOf('hello')).toBe('two')
  expect((await deployer.resources()).map(({ type }) => type)).toEqual(['instance'])
  expect(await deployer.prune()).toEqual({ removed: [], freedBytes: 0 })
  await deployer.lifecycle.remove('hello')
  expect(await engine.instances()).toEqual([])
})

test('what the engine does not support is refused by name, before anything is built', async () => {
  const [finished, ...others] = await deploy('one', { debug: true })
  expect(others).toEqual([])
  expect(finished).toMatchObject({
    type: 'finished',
    deployed: 0,
    error: { code: 'UNSUPPORTED', message: 'the engine "thread" does not support debugging' },
  })
  await deploy('one')
  expect(() => deployer.logs('hello')).toThrow('the engine "thread" does not keep the output of functions')
  expect(() => deployer.logs('other')).toThrow('no deployment is named "other"')
})
