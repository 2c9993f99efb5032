/**
 * What was built on one machine runs on another: the platform has a home of its own, and the source is gone before it
 * starts.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildWithAgent, deployPackage, readAgentFile, type BuiltPackages } from '../../src/client/index.ts'
import type { DeployEvent } from '../../src/contract/index.ts'
import { openArtefact } from '../../src/packages/index.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { EXAMPLES, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { sampleOf } from '../support/whole-suite.ts'

let builder: TestPlatform
let folder: string
let node: string
let go: string
let digest: string

const code = `
import { readFileSync } from 'node:fs'
import { word } from './word.ts'
const data = readFileSync(new URL('./data.txt', import.meta.url), 'utf8')
export const hello = () => new Response([word, data, process.env.PLACE, process.env.SHELL_WORD].join(' '))
`
const SOURCE = 'shop'

/** A project with everything that differs between deploys. */
async function writeShop(at: string): Promise<string> {
  const environments = { staging: { env: { PLACE: 'staging' } }, production: { memoryMb: 128 } }
  const env = { PLACE: 'here', SHELL_WORD: '${SHELL_WORD:-none}' }
  const file = await writeProject(at, { hello: { code, options: { env, environments } } })
  await writeFile(join(at, 'hello', 'word.ts'), `export const word = 'hello'`)
  await writeFile(join(at, 'hello', 'data.txt'), 'data')
  await writeFile(join(at, '.env'), 'PLACE=from-the-file-of-the-builder\nSECRET_OF_BUILDER=never-inside')
  return file
}

async function build(at: string, out: string, flags: string[] = []): Promise<{ digest: string; artefact: string }> {
  const args = ['deploy', await writeShop(at), '--build-only', '--out', out, '--json', ...flags]
  return JSON.parse(await builder.ok(args)) as { digest: string; artefact: string }
}

beforeAll(async () => {
  builder = await TestPlatform.make({ GOCACHE: GO_CACHE, SHELL_WORD: 'secret-of-the-shell' })
  folder = await mkdtemp(join(tmpdir(), 'rfa-artefact-'))
  node = join(folder, 'app.ryo')
  go = join(folder, 'go.ryo')
  ;({ digest } = await build(join(folder, 'built', SOURCE), node))
  await cp(join(EXAMPLES, 'go'), join(folder, 'built', 'go'), { recursive: true })
  const only = ['--only', 'HelloWorld']
  await builder.ok(['deploy', join(folder, 'built', 'go'), '--build-only', '--out', go, ...only])
  // Gone, for good.
  await rm(join(folder, 'built'), { recursive: true })
})
afterAll(async () => {
  await builder.remove()
  await rm(folder, { recursive: true, force: true })
})

test('building needs no platform, starts none, and gives the same bytes in every folder', async () => {
  const other = join(folder, 'other')
  const twin = await build(join(other, 'deeper', SOURCE), join(other, 'twin.ryo'))
  expect(twin.digest).toBe(digest)
  const [first, second] = await Promise.all([node, twin.artefact].map(path => readFile(path)))
  expect(first!.equals(second!)).toBe(true)
  expect(await readAgentFile(builder.home)).toBeUndefined()
  // No value of a shell or of .env, and no place on this machine.
  for (const secret of ['never-inside', 'from-the-file-of-the-builder', 'secret-of-the-shell', folder]) {
    expect(first!.includes(secret)).toBe(false)
  }
  await writeFile(join(other, 'deeper', SOURCE, 'hello', 'word.ts'), `export const word = 'other'`)
  const flags = ['--build-only', '--out', join(other, 'changed.ryo'), '--json']
  const changed = JSON.parse(await builder.ok(['deploy', join(other, 'deeper', SOURCE), ...flags])) as typeof twin
  expect(changed.digest).not.toBe(digest)
})

test('what makes no sense with an artefact is refused before anything starts', async () => {
  const failing = async (args: string[]) => {
    const { code, stderr } = await builder.cli(['deploy', ...args])
    expect(code).toBe(1)
    return stderr
  }
  expect(await failing([node, '--watch'])).toMatch(/an artefact does not change/)
  expect(await failing([node, '--build-only'])).toMatch(/an artefact is built/)
  expect(await failing(['--out', node])).toMatch(/--build-only/)
  expect(await failing(['--build-only', '--env', 'staging', '--out', node])).toMatch(/when an artefact is deployed/)
  expect(await failing(['--build-only', '--out', join(folder, 'app.zip')])).toMatch(/must end in \.ryo/)
  expect(await failing(['--digest', digest])).toMatch(/for artefacts/)
  expect(await readAgentFile(builder.home)).toBeUndefined()
})

describe.each(sampleOf(['process', 'docker']))('an agent elsewhere with functions as %s', engine => {
  let platform: TestPlatform
  let proxyUrl: string
  let app: string
  const call = async (name: string) => (await fetch(`${proxyUrl}/functions/${name}`)).text()

  beforeAll(async () => {
    platform = await TestPlatform.make({ SHELL_WORD: 'of-this-shell' })
    proxyUrl = (await platform.start(engine)).proxyUrl
    app = join(platform.home, 'artefacts', 'app.ryo')
    await mkdir(join(platform.home, 'artefacts'))
    await cp(node, app)
  })
  afterAll(() => platform.remove())

  test('runs what was built: Node and Go, with the settings of this deploy', async () => {
    const said = await platform.ok(['deploy', app, '--digest', digest])
    expect(said).toContain('hello')
    expect(await call('hello')).toBe('hello data here of-this-shell')
    await platform.ok(['deploy', go])
    expect(await call('helloworld')).toBe('Hello, World!\n')
  })

  test('the same bytes in another environment are a new version only by its settings', async () => {
    const before = await platform.details('hello')
    await writeFile(join(platform.home, 'artefacts', '.env.staging'), 'EXTRA=1')
    await platform.ok(['deploy', app, '--env', 'staging'])
    expect(await call('hello')).toBe('hello data staging of-this-shell')
    const after = await platform.details('hello')
    expect(after.version).toBe(before.version + 1)
    expect(new Set(after.versions.map(({ hash }) => hash)).size).toBe(1)
    expect(after.deployFile).toBeUndefined()
    expect(JSON.parse(await platform.ok(['deploy', app, '--env', 'staging', '--json']))).toMatchObject({
      deployed: [{ outcome: 'unchanged' }],
    })
    expect((await platform.cli(['deploy', app, '--env', 'nowhere'])).stderr).toMatch(/environment "nowhere" is unknown/)
  })

  test('rollback needs neither the artefact nor another upload', async () => {
    await rename(app, `${app}.away`)
    await platform.ok(['rollback', 'hello'])
    expect(await call('hello')).toBe('hello data here of-this-shell')
    await rename(`${app}.away`, app)
  })
})

describe('faults', () => {
  let platform: TestPlatform
  let proxyUrl: string

  beforeAll(async () => {
    platform = await TestPlatform.make()
    proxyUrl = (await platform.start('process')).proxyUrl
  })
  afterAll(() => platform.remove())

  const contents = () => readdir(join(platform.home, 'packages', 'contents')).catch((): string[] => [])
  const opened = () => {
    const settings = { environment: undefined, only: undefined, digest: undefined, variables: {} }
    return openArtefact({ path: node, base: folder }, settings)
  }
  const killAgent = async () => process.kill((await readAgentFile(platform.home))!.agent.pid, 'SIGKILL')
  async function deploy(built: BuiltPackages, onEvent: (event: DeployEvent) => void | Promise<void> = () => undefined) {
    for await (const event of deployPackage(await platform.client(), built)) await onEvent(event)
  }
  const outcomeOf = (built: BuiltPackages) =>
    until(async () => {
      const events: DeployEvent[] = []
      // Until the keeper has brought it back.
      await deploy(built, event => void events.push(event)).catch(() => undefined)
      return events.some(({ type }) => type === 'finished') ? events : undefined
    })

  test('an agent that is killed during an upload has what arrived whole, and continues there', async () => {
    const built = await opened()
    // Sent in their order: the others are there before it.
    const last = built.functions[0]!.manifest.files.at(-1)!.sha256
    const asked: string[] = []
    const killing: BuiltPackages = {
      ...built,
      open: sha256 => {
        if (sha256 !== last) return built.open(sha256)
        return Readable.from(
          (async function* () {
            await until(async () => (await contents()).length > 0 || undefined)
            await killAgent()
            yield Buffer.from('x')
            await new Promise(() => undefined)
          })(),
        )
      },
    }
    await expect(deploy(killing)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
    const before = await contents()
    expect(before.length).toBeGreaterThan(0)
    const counting = { ...built, open: (sha256: string) => (asked.push(sha256), built.open(sha256)) }
    const events = await outcomeOf(counting)
    expect(events.at(-1)).toMatchObject({ type: 'finished', deployed: 1 })
    expect(asked.filter(sha256 => before.includes(sha256))).toEqual([])
    expect(await (await fetch(`${proxyUrl}/functions/hello`)).text()).toMatch(/^hello data/)
  })

  test.each(sampleOf(['switching', 'starting']))('one that is killed while %s serves a whole version', async step => {
    const built = await opened()
    const [{ entry, manifest }] = built.functions as [BuiltPackages['functions'][number]]
    const next = { ...built, functions: [{ manifest, entry: { ...entry, env: { ...entry.env, PLACE: step } } }] }
    await deploy(next, async event => {
      if (event.type === 'step' && event.step === step) await killAgent()
    }).catch(() => undefined)
    const events = await outcomeOf(next)
    expect(events.at(-1)).toMatchObject({ type: 'finished', deployed: 1, failed: 0 })
    await until(async () => {
      const answer = await (await fetch(`${proxyUrl}/functions/hello`)).text()
      return answer.includes(step) || undefined
    })
  })

  test('an artefact that was changed, and one that is not the one that was meant, change nothing', async () => {
    const whole = await readFile(node)
    // Not the instances: of what the tests above deployed, some are on their way to sleep.
    const deployed = async () => {
      const { deployments } = await (await platform.client()).call('deployments', {})
      return deployments.map(({ name, version, versions }) => ({ name, version, versions }))
    }
    const before = [await contents(), await deployed()]
    const bad = join(folder, 'bad.ryo')
    whole[whole.lastIndexOf('data')]! ^= 1
    await writeFile(bad, whole)
    const { code, stderr } = await platform.cli(['deploy', bad])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/not what its digest says/)])
    expect((await platform.cli(['deploy', node, '--digest', '0'.repeat(64)])).stderr).toMatch(/has the digest/)
    expect([await contents(), await deployed()]).toEqual(before)
  })

  test('what this agent builds for others is what it would deploy itself: the same hash, and the same settings', async () => {
    const unfinished = () => readdir(join(platform.home, 'packages', 'incoming'))
    // What a killed upload left is kept for a day.
    const before = await unfinished()
    const project = join(platform.home, 'local')
    const file = await writeProject(project, { local: { code: `export const local = () => new Response('one')` } })
    await platform.ok(['deploy', file])
    const client = await platform.client()
    const { signal } = new AbortController()
    const steps: string[] = []
    const build = () => buildWithAgent(client, { file }, { signal, emit: ({ type }) => steps.push(type) })
    const hash = async () => (await client.call('deployment', { params: { name: 'local' } })).versions.at(-1)!.hash
    const ofItself = await hash()
    // It replaces the version, because its files are no longer named as those of this machine; the next is the same.
    await deploy(await build())
    expect(await hash()).toBe(ofItself)
    const events: DeployEvent[] = []
    await deploy(await build(), event => void events.push(event))
    expect(events).toContainEqual(expect.objectContaining({ type: 'deployed', name: 'local', outcome: 'unchanged' }))
    expect(steps).toContain('planned')
    await writeFile(join(project, 'local', 'main.ts'), `export const local = () => new Response('two')`)
    await deploy(await build())
    expect(await (await fetch(`${proxyUrl}/functions/local`)).text()).toBe('two')
    await writeFile(join(project, 'local', 'main.ts'), `export const local = 'no function'`)
    await expect(build()).rejects.toMatchObject({ code: 'CHECK_FAILED', problems: [{ line: 1 }] })
    expect(await unfinished()).toEqual(before)
  })

  test('a function of another project is not replaced, unless it is asked for', async () => {
    const built = await opened()
    const events: DeployEvent[] = []
    await deploy({ ...built, project: 'other' }, event => void events.push(event))
    expect(events.at(-1)).toMatchObject({ error: { code: 'NAME_TAKEN' } })
    expect((events.at(-1) as { error: { message: string } }).error.message).toContain('the project "shop"')
  })
})
