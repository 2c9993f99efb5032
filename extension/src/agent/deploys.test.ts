import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AgentClient } from 'ryo-faas/client'
import { DeployEntry, digestOf, PackageManifest, RyoFaasError, type DeployEvent } from 'ryo-faas/contract'
import { platformView } from '../testing/views-of-platform.ts'
import type { DeployReport } from './agent-process.ts'
import { Deploys, type Deployed } from './deploys.ts'
import { thisMachine, unknownMachine } from './machine.ts'

const deployed = (name: string): DeployEvent => ({
  type: 'deployed',
  name,
  version: 1,
  url: 'http://x',
  outcome: 'created',
  durationMs: 1,
})
const failed = (name: string): DeployEvent => ({
  type: 'failed',
  name,
  error: { code: 'START_FAILED', message: 'died' },
})
const finished: DeployEvent = { type: 'finished', deployed: 1, failed: 0, durationMs: 1 }

/** An agent that tells these events, one after each other, when it is asked to go on. */
function stage(...events: DeployEvent[]) {
  const environment = 'staging'
  const looks: (() => void)[] = []
  const bodies: object[] = []
  let steps: (() => void)[] = []
  let isHeld = false
  class SteppedAgent extends AgentClient {
    constructor() {
      super({ url: 'http://127.0.0.1:1', token: '' })
    }
    override async *stream(...[, input]: Parameters<AgentClient['stream']>): AsyncGenerator<never> {
      bodies.push((input as { body: object }).body)
      isHeld = true
      for (const event of events) {
        yield event as never
        await new Promise<void>(resolve => (steps = [...steps, resolve]))
      }
    }
  }
  const link = {
    isReady: true,
    server: undefined,
    machine: async () => thisMachine('/nowhere'),
    notRunning: () => new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running'),
    // The first look is that for the platform.
    refresh: () => (isHeld ? new Promise<void>(resolve => looks.push(resolve)) : Promise.resolve()),
    onChange: () => ({ dispose: () => undefined }),
    client: async () => new SteppedAgent(),
  }
  const deploys = new Deploys(
    link,
    { start: async () => platformView(), deploy: neverByCommand },
    {
      local: async () => new SteppedAgent(),
      debugFolder: '/nowhere',
      environment: () => environment,
    },
  )
  const run = deploys.run({ file: '/w/deploy.json' }, { signal: new AbortController().signal, report: () => undefined })
  const settle = () => new Promise(resolve => setImmediate(resolve))
  return {
    deploys,
    run,
    bodies,
    goOn: async () => {
      await settle()
      steps.splice(0).forEach(step => step())
      await settle()
    },
    look: async () => {
      looks.splice(0).forEach(seen => seen())
      await settle()
    },
  }
}

const neverByCommand = () => Promise.reject(new Error('the agent deploys'))

test('what was deployed is busy until its new version is known', async () => {
  const { deploys, run, goOn, look } = stage(
    { type: 'planned', names: ['a', 'b'], folders: [] },
    deployed('a'),
    finished,
  )
  await goOn()
  expect([deploys.activityOf('a'), deploys.activityOf('b')]).toEqual(['waiting', 'waiting'])
  await goOn()
  expect(deploys.activityOf('a')).toBe('waiting')
  await look()
  expect([deploys.activityOf('a'), deploys.activityOf('b')]).toEqual([undefined, 'waiting'])
  await goOn()
  await look()
  expect(await run).toHaveLength(1)
  expect(deploys.activityOf('b')).toBeUndefined()
})

test('that the last deploy failed is known until one succeeds', async () => {
  const { deploys, run, goOn, look } = stage(failed('a'), deployed('a'), finished)
  run.catch(() => undefined)
  await look()
  expect(deploys.failureOf('a')).toBe('died')
  await goOn()
  expect(deploys.failureOf('a')).toBeUndefined()
  await goOn()
  await goOn()
  await look()
  await expect(run).rejects.toMatchObject({ code: 'START_FAILED' })
})

test('the environment that is chosen is that of the deploy', async () => {
  const { run, goOn, look, bodies } = stage(finished)
  await goOn()
  await goOn()
  await look()
  await run
  expect(bodies).toMatchObject([{ file: '/w/deploy.json', environment: 'staging' }])
})

describe('while the agent of this machine stands by', () => {
  function standingBy(report: DeployReport, server?: string) {
    class StandingBy extends AgentClient {
      constructor() {
        super({ url: 'http://127.0.0.1:1', token: '' })
      }
      override call(): Promise<never> {
        return Promise.resolve(platformView()) as Promise<never>
      }
      override async *stream(): AsyncGenerator<never> {
        throw new RyoFaasError('STANDS_BY', 'the agent that leads cannot read the files of this machine')
      }
    }
    const client = async () => new StandingBy()
    const link = {
      ...{ isReady: true, server, refresh: async () => undefined, client },
      machine: async () => thisMachine('/nowhere'),
      notRunning: () => new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running'),
      onChange: () => ({ dispose: () => undefined }),
    }
    const asked: string[][] = []
    const deploy = async (args: string[]) => (asked.push(args), report)
    const settings = { local: client, debugFolder: '/nowhere', environment: () => 'staging' }
    const deploys = new Deploys(link, { start: async () => platformView(), deploy }, settings)
    return { deploys, asked, progress: { signal: new AbortController().signal, report: () => undefined } }
  }
  const report = { deployed: [deployed('a')], failed: [failed('b')] } as DeployReport

  test('the command line builds here, and what it says becomes of each function is known', async () => {
    const { deploys, asked, progress } = standingBy(report)
    const running = deploys.run({ file: '/w/deploy.json', only: ['a', 'b'], replace: true }, progress)
    await expect(running).rejects.toMatchObject({ code: 'START_FAILED' })
    expect(asked.map(args => args.join(' '))).toEqual([
      '/w/deploy.json --server local --only a b --replace --env staging',
    ])
    expect([deploys.failureOf('a'), deploys.failureOf('b')]).toEqual([undefined, 'died'])
    const well = standingBy({ deployed: report.deployed, failed: [] })
    expect(await well.deploys.run({ file: '/w/deploy.json' }, well.progress)).toMatchObject([{ name: 'a' }])
  })

  test('so it is for a server, and what failed as a whole fails', async () => {
    const error = { code: 'CHECK_FAILED' as const, message: 'no' }
    const { deploys, asked, progress } = standingBy({ deployed: [], failed: [], error }, 'shop')
    await expect(deploys.run({ file: '/w/deploy.json' }, progress)).rejects.toMatchObject({ code: 'CHECK_FAILED' })
    expect(asked).toEqual([['/w/deploy.json', '--server', 'shop', '--env', 'staging']])
  })

  test('a debugger has no way there, and nothing is deployed for one', async () => {
    const { deploys, asked, progress } = standingBy(report)
    const running = deploys.run({ file: '/w/deploy.json', debug: true }, progress)
    await expect(running).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(asked).toEqual([])
  })
})

describe('to a server', () => {
  const code = 'export const wave = () => new Response()'
  const sha256 = createHash('sha256').update(code).digest('hex')
  const files = [
    { path: 'wave.mjs', sha256, size: code.length },
    { path: 'wave.mjs.map', sha256, size: code.length },
  ]
  const manifest = PackageManifest.parse({
    ...{ format: 1, name: 'wave', kind: 'http', language: 'node', protocol: 2, builtBy: '0', entry: 'wave.mjs' },
    files,
  })
  const place = { packageDir: '/home/ann/shop/src', filePath: '/home/ann/shop/src/wave.ts' }
  const entry = DeployEntry.parse({ name: 'wave', ...place })
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ryo-faas-deploys-'))
    await writeFile(join(folder, sha256), code)
  })
  afterEach(() => rm(folder, { recursive: true }))

  /** The agent of this machine builds, the one of the server gets what it says. */
  function machines(answer: (body: unknown) => DeployEvent[]) {
    const asked: string[] = []
    const sent: unknown[] = []
    class Local extends AgentClient {
      constructor() {
        super({ url: 'http://127.0.0.1:1', token: '' })
      }
      override call = async (name: string): Promise<never> => {
        asked.push(`here ${name}`)
        return platformView() as never
      }
      override async *stream(...[name]: Parameters<AgentClient['stream']>): AsyncGenerator<never> {
        asked.push(`here ${name}`)
        yield { type: 'planned', names: ['wave'], folders: [] } as never
        yield { type: 'step', name: 'wave', step: 'building' } as never
        yield { type: 'built', project: 'shop', folder, functions: [{ entry, manifest }] } as never
      }
    }
    class There extends AgentClient {
      constructor() {
        super({ url: 'http://127.0.0.1:2', token: '', server: 'prod' })
      }
      override call = async (name: string, input: unknown): Promise<never> => {
        asked.push(`there ${name}`)
        sent.push(input)
        return { digests: [digestOf(manifest)], missing: [{ sha256, size: code.length }] } as never
      }
      override upload = async (name: string, body: Readable): Promise<never> => {
        asked.push(`there ${name}`)
        for await (const _ of body);
        return {} as never
      }
      override async *stream(...[name, input]: Parameters<AgentClient['stream']>): AsyncGenerator<never> {
        asked.push(`there ${name}`)
        sent.push(input)
        for (const event of answer(input)) yield event as never
      }
    }
    const link = {
      ...{ isReady: true, server: 'prod', refresh: async () => undefined },
      onChange: () => ({ dispose: () => undefined }),
      machine: async () => ({
        ...unknownMachine('prod', new RyoFaasError('SERVER_NOT_FOUND', 'not used')),
        forward: async (port: number) => ({ port: port + 1, close: async () => undefined }),
      }),
      client: async () => new There(),
      notRunning: () => new RyoFaasError('SERVER_UNREACHABLE', 'the server "prod" does not answer'),
    }
    const settings = { local: async () => new Local(), debugFolder: join(folder, 'debug') }
    const deploys = new Deploys(link, { start: async () => platformView(), deploy: neverByCommand }, settings)
    const reported: string[] = []
    const progress = { signal: new AbortController().signal, report: (text: string) => void reported.push(text) }
    return { asked, sent, deploys, link, reported, progress }
  }

  test('this machine builds, the server is sent what it lacks, and no path', async () => {
    const { asked, sent, deploys, reported, progress } = machines(() => [
      { type: 'planned', names: ['wave'], folders: [] },
      { type: 'step', name: 'wave', step: 'starting' },
      deployed('wave'),
      finished,
    ])
    const done = await deploys.run({ file: '/home/ann/shop/deploy.json', only: ['wave'] }, progress)
    expect(done).toMatchObject([{ name: 'wave', version: 1 }])
    expect(asked).toEqual([
      ...['here platform', 'here build'],
      ...['there announcePackages', 'there uploadContents', 'there deployPackages'],
    ])
    expect(JSON.stringify(sent)).not.toContain('/home/ann')
    expect(reported).toEqual(['building', 'uploading, 0 %', 'uploading, 100 %', 'starting'])
    expect(deploys.activityOf('wave')).toBeUndefined()
  })

  test('for a debugger, its port and its bundle are on this machine', async () => {
    const there = { remoteRoot: '/app', localRoot: '/srv/x', entry: 'wave.mjs', sourceRoot: 'src' }
    const { deploys, progress, sent } = machines(() => [
      { ...(deployed('wave') as Deployed), debugPort: 40_000, debugPaths: there },
      finished,
    ])
    const [wave] = await deploys.run({ file: '/home/ann/shop/deploy.json', debug: true }, progress)
    expect(sent.at(-1)).toMatchObject({ body: { debug: true } })
    const localRoot = join(folder, 'debug', 'prod', 'wave')
    expect(wave).toMatchObject({
      ...{ debugPort: 40_001, forward: { farPort: 40_000 } },
      debugPaths: { remoteRoot: '/app', entry: 'wave.mjs', localRoot, sourceRoot: '/home/ann/shop/src' },
    })
    expect(await readFile(join(localRoot, 'wave.mjs.map'), 'utf8')).toBe(code)
  })

  test('it is cancelled there as here', async () => {
    const abort = new AbortController()
    const { asked, deploys, progress } = machines(() => {
      // As when the user presses Cancel: the stream just ends.
      abort.abort()
      return []
    })
    const run = deploys.run({ file: '/home/ann/shop/deploy.json' }, { ...progress, signal: abort.signal })
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' })
    expect([asked.at(-1), deploys.activityOf('wave')]).toEqual(['there deployPackages', undefined])
  })

  test('a look at a server that is silent can be cancelled', async () => {
    const abort = new AbortController()
    const { deploys, link, progress } = machines(() => [finished])
    link.refresh = () => new Promise<undefined>(() => undefined)
    const run = deploys.run({ file: '/home/ann/shop/deploy.json' }, { ...progress, signal: abort.signal })
    abort.abort()
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  test('one that does not answer is said before anything is built', async () => {
    const { asked, deploys, link, progress } = machines(() => [finished])
    link.isReady = false
    await expect(deploys.run({ file: '/home/ann/shop/deploy.json' }, progress)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    })
    expect(asked).toEqual([])
  })
})
