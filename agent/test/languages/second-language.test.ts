/**
 * A second language next to ours, from deploy.json to an answer: the real deployer, process engine and proxy, and
 * nothing knows the language except its line in the registry.
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { TEST_KEYS } from '../../src/access/access-testing.ts'
import type { DeployEvent } from '../../src/contract/index.ts'
import type { Deployer } from '../../src/deployments/index.ts'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { createLanguages, LANGUAGES, type Languages } from '../../src/languages/index.ts'
import { servingScript, SHELL } from '../../src/languages/testing/shell-language.ts'
import { createProxy, type Proxy } from '../../src/services/proxy/index.ts'
import { loneDeployer } from '../support/lone-deployer.ts'

const runtimeDir = fileURLToPath(new URL('../../../runtime', import.meta.url))
const never = new AbortController().signal

let home: string
let file: string
let proxy: Proxy
/** For all tests: each loads the compiler once. */
let languages: Languages
let cacheDir: string
const ends: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'rfa-cache-'))
  const options = { runtimeDir, cacheDir, environment: process.env }
  languages = createLanguages(options, [...LANGUAGES, () => SHELL])
})
afterAll(async () => {
  await languages.close()
  await rm(cacheDir, { recursive: true, force: true })
})

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-languages-'))
  ends.push(() => rm(home, { recursive: true, force: true }))
  file = join(home, 'project', 'deploy.json')
  await mkdir(join(home, 'project'))
  proxy = await createProxy({ port: 0, access: TEST_KEYS })
  ends.push(() => proxy.close())
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** As a starting agent creates it, over the state of an earlier one. */
async function startDeployer(known = languages): Promise<Deployer> {
  const engine = new ProcessEngine({
    ...{ project: 'rfat', home, nodePath: process.execPath, note: '' },
    baseEnv: { PATH: process.env['PATH'] ?? '' },
  })
  const deployer = await loneDeployer({
    ...{ home, engine, languages: known, proxyUrl: `http://127.0.0.1:${proxy.address.port}` },
    routes: { publish: table => proxy.setRoutes(table) },
    proxy: { stats: () => proxy.stats() },
    now: async () => ({ kind: 'sequence', sequence: 1 }),
  })
  await deployer.start()
  ends.push(async () => {
    await deployer.close()
    await engine.cleanUp()
    await engine.close()
  })
  return deployer
}

/** One function per file, in the language of its extension. */
async function writeProject(files: Record<string, string>): Promise<void> {
  const deploy = Object.keys(files).map(path => ({
    name: path.slice(0, path.indexOf('.')),
    ...{ packageDir: '.', filePath: `./${path}` },
  }))
  for (const [path, code] of Object.entries(files)) await writeFile(join(home, 'project', path), code)
  await writeFile(file, JSON.stringify({ deploy }))
}

async function deploy(
  deployer: Deployer,
  options: { debug?: boolean; onEvent?: (event: DeployEvent) => void } = {},
): Promise<DeployEvent[]> {
  const { debug = false, onEvent } = options
  const events: DeployEvent[] = []
  const emit = (event: DeployEvent) => {
    events.push(event)
    onEvent?.(event)
  }
  await deployer.deploy({ file, buildOnly: false, debug, replace: false }, emit, never)
  return events
}

const outcomesOf = (events: DeployEvent[]) =>
  events.flatMap(event => (event.type === 'deployed' ? [[event.name, event.outcome]] : [])).sort()
const call = async (name: string) => (await fetch(`http://127.0.0.1:${proxy.address.port}/functions/${name}`)).text()

test('functions in two languages are checked, deployed and called from one deploy.json, and the next agent keeps them', async () => {
  await writeProject({
    'script.sh': servingScript('from a script'),
    'module.ts': `export const module = (): Response => new Response('from a module')\n`,
  })
  const deployer = await startDeployer()
  expect(await deployer.check({ file })).toMatchObject({ checked: 2, problems: [] })
  expect((await deploy(deployer)).at(-1)).toMatchObject({ type: 'finished', deployed: 2, failed: 0 })
  expect([await call('script'), await call('module')]).toEqual(['from a script', 'from a module'])
  expect(outcomesOf(await deploy(deployer))).toEqual([
    ['module', 'unchanged'],
    ['script', 'unchanged'],
  ])

  await deployer.close()
  const instances = deployer.ready().flatMap(({ instances: ready }) => ready.map(({ id }) => id))
  const next = await startDeployer()
  expect(next.ready().flatMap(({ instances: ready }) => ready.map(({ id }) => id))).toEqual(instances)
  expect([await call('script'), await call('module')]).toEqual(['from a script', 'from a module'])

  await writeFile(join(home, 'project', 'script.sh'), servingScript('changed'))
  expect(outcomesOf(await deploy(next))).toContainEqual(['script', 'updated'])
  expect(await call('script')).toBe('changed')
  await next.lifecycle.rollback('script', undefined, never)
  expect(await call('script')).toBe('from a script')
})

test('problems of all languages are reported at once, in the order of deploy.json, and nothing is built', async () => {
  await writeProject({
    'first.sh': 'if ; then\n',
    'second.ts': `export const second = 2\n`,
    'third.sh': '\n\nif ; then\n',
    'fourth.ts': `export const fourth = (): Response => new Response()\n`,
  })
  const deployer = await startDeployer()
  const { checked, problems } = await deployer.check({ file })
  expect(checked).toBe(1)
  expect(problems.map(({ file: path, line }) => [path, line])).toEqual([
    [join(home, 'project', 'first.sh'), 1],
    [join(home, 'project', 'second.ts'), 1],
    [join(home, 'project', 'third.sh'), 3],
  ])
  expect((await deploy(deployer)).at(-1)).toMatchObject({ error: { code: 'CHECK_FAILED', problems } })
  await expect(stat(join(home, 'deployments'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('what was announced is deployed, whatever happens to deploy.json in between', async () => {
  await writeProject({ 'script.sh': servingScript('planned') })
  const deployer = await startDeployer()
  const events = await deploy(deployer, {
    onEvent: event => event.type === 'planned' && writeFileSync(file, '{ half of it'),
  })
  expect(outcomesOf(events)).toEqual([['script', 'created']])
  expect(await call('script')).toBe('planned')
})

test('where no debugger can attach, none is promised', async () => {
  await writeProject({ 'script.sh': servingScript('x') })
  const deployer = await startDeployer()
  expect((await deploy(deployer, { debug: true })).at(-1)).toMatchObject({
    error: { code: 'UNSUPPORTED', message: expect.stringContaining('shell') },
  })
  expect(await deployer.list()).toEqual([])
})

test('an agent that does not know a language keeps what is running, and says why it cannot start more', async () => {
  await writeProject({ 'script.sh': servingScript('still here') })
  await (async () => {
    const deployer = await startDeployer()
    await deploy(deployer)
    await deployer.close()
  })()
  const poorer = createLanguages({ runtimeDir, cacheDir: join(home, 'cache'), environment: process.env })
  ends.push(() => poorer.close())
  const deployer = await startDeployer(poorer)
  expect(await call('script')).toBe('still here')
  const expected = { code: 'UNSUPPORTED', message: expect.stringContaining('shell') }
  await expect(deployer.lifecycle.scale('script', 2, never)).rejects.toMatchObject(expected)
  const kept = JSON.parse(await readFile(join(home, 'state.json'), 'utf8')) as object
  expect(kept).toMatchObject({ deployments: { script: { versions: [{ language: 'shell', protocol: 1 }] } } })
  expect(kept).not.toHaveProperty('deployments.script.scaledTo')
})
