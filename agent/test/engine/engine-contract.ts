/** What every engine must do; run on each of them with real containers and real processes. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { LogLine } from '../../src/contract/index.ts'
import type { BuiltPackage, CommandNeeds, Engine, Instance, InstanceSpec } from '../../src/engines/index.ts'
import { freePort } from '../../src/host/index.ts'
import { until } from '../support/until.ts'

/** A function in its barest form, speaking the protocol of the engine and nothing else. */
const FUNCTION = `
import { createServer } from 'node:http'
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { spawn } from 'node:child_process'
const { RYO_FAAS_HOST: host = '0.0.0.0', RYO_FAAS_PORT: port = '6000', RYO_FAAS_READY_FILE: ready } = process.env
const stamp = process.env.RYO_FAAS_STAMP_LOGS ? () => new Date().toISOString() + ' stdout F ' : () => ''
const hoard = []
const server = createServer((req, res) => {
  const answer = value => res.end(JSON.stringify(value))
  switch (req.url) {
    case '/env': return answer(process.env)
    case '/secret': return answer(readFileSync((process.env.RYO_FAAS_SECRETS_DIR ?? '/run/secrets') + '/KEY', 'utf8'))
    case '/who': return answer({
      uid: process.getuid(), name: userInfo().username, status: readFileSync('/proc/self/status', 'utf8'),
      cgroup: readFileSync('/proc/self/cgroup', 'utf8'),
    })
    case '/may-run': return answer(['tool', 'main.mjs'].filter(file => {
      try { accessSync(file, constants.X_OK); return true } catch { return false }
    }))
    case '/write': try { writeFileSync('/app/x', 'x'); return answer('written') } catch (e) { return answer(e.code) }
    case '/tmp': writeFileSync('/tmp/x', 'x'); return answer('written')
    case '/crash': process.exit(7)
    case '/flood': for (let i = 1; i <= 30000; i++) console.log(stamp() + 'line ' + i); return answer('written')
    case '/heap': for (;;) hoard.push(new Array(1e5).fill(0).map(() => ({})))
    case '/buffers': setInterval(() => hoard.push(Buffer.alloc(16e6, 1)), 40); return
    case '/fork': {
      let failed = 0, started = 0
      const children = Array.from({ length: 100 }, () => spawn(process.execPath, ['-e', 'setTimeout(() => {}, 1e4)']))
      for (const child of children) child.once('spawn', () => started++).once('error', () => failed++)
      return setTimeout(() => { for (const child of children) child.kill('SIGKILL'); answer({ failed, started }) }, 1500)
    }
    default: return answer('hello')
  }
})
server.listen(Number(port), host, () => {
  console.log(stamp() + 'listening')
  if (ready) writeFileSync(ready, JSON.stringify({ port: server.address().port, pid: process.pid }))
})
process.on('SIGTERM', () => { console.log(stamp() + 'bye'); server.close(() => process.exit(0)); server.closeAllConnections() })
`

export interface EngineUnderTest {
  /** A new engine object over the same project; called twice in the test of adoption. */
  make(): Promise<Engine>
  /** Only what the engine promises is asked of it. */
  isolates: boolean
}

export function engineContract(name: string, setUp: (home: string) => EngineUnderTest): void {
  describe(`the ${name} engine`, () => {
    let home: string
    let under: EngineUnderTest
    let engine: Engine
    let image: string
    let built: BuiltPackage
    let counter = 0
    const never = new AbortController().signal

    beforeAll(async () => {
      home = await mkdtemp(join(tmpdir(), 'rfa-engine-'))
      under = setUp(home)
      engine = await under.make()
      await engine.prepare(() => undefined)
      built = await writePackage(home, FUNCTION)
      image = await engine.build(built, never)
    })
    afterEach(async () => {
      for (const { id } of await engine.instances()) await engine.stop(id, 0)
    })
    afterAll(async () => {
      await engine.cleanUp(true)
      await engine.close()
      await rm(home, { recursive: true, force: true })
    })

    const specOf = (changes: Partial<InstanceSpec> = {}): InstanceSpec => {
      const limits = { memoryMb: 128, cpus: 1, pids: 64 }
      const command = nodeCommand(engine.commandNeeds({ limits, ...changes }))
      const id = `i${++counter}x`
      return { id, route: 'probe', version: 1, image, command, env: {}, secrets: {}, limits, ...changes }
    }
    const start = (changes: Partial<InstanceSpec> = {}) => engine.start(specOf(changes), never)
    const stateOf = async (id: string) => (await engine.instances()).find(instance => instance.id === id)?.state
    const exitOf = (id: string) =>
      until(async () => {
        const state = await stateOf(id)
        return state?.kind === 'exited' ? state : undefined
      })

    test('starts an instance that answers at its address', async () => {
      const instance = await start()
      expect(await ask(instance, '/')).toBe('hello')
      expect(await engine.instances()).toMatchObject([
        { id: instance.id, route: 'probe', version: 1, state: { kind: 'running' } },
      ])
    })

    test('builds the same package once, and not one that is gone', async () => {
      expect(await engine.build(built, never)).toBe(image)
      expect(engine.imageOf(built)).toBe(image)
      const gone = { ...built, hash: 'gone', dir: `${built.dir}-gone` }
      await expect(engine.build(gone, never)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' })
    })

    test('hands over variables, secrets as variables and as files, and nothing of its own surroundings', async () => {
      process.env['RYO_FAAS_TEST_LEAK'] = 'must not be seen'
      const instance = await start({ env: { GREETING: 'hi' }, secrets: { KEY: 's3cret' } })
      const env = (await ask(instance, '/env')) as Record<string, string>
      delete process.env['RYO_FAAS_TEST_LEAK']
      expect(env).toMatchObject({ GREETING: 'hi', KEY: 's3cret' })
      expect(env).not.toHaveProperty('RYO_FAAS_TEST_LEAK')
      expect(await ask(instance, '/secret')).toBe('s3cret')
    })

    test('lets a debugger in at the port it is told, and otherwise nowhere', async () => {
      const debugPort = await freePort()
      await start({ debugPort })
      const { statusCode, body } = await until(() =>
        request(`http://127.0.0.1:${debugPort}/json/list`).catch(() => undefined),
      )
      expect(statusCode).toBe(200)
      expect(await body.json()).toMatchObject([{ type: 'node' }])
    })

    test('programs of a package can be run, and nothing else', async () => {
      expect(await ask(await start(), '/may-run')).toEqual(['tool'])
    })

    test('lists an instance that died, with its exit code, until it is stopped', async () => {
      const instance = await start()
      let changes = 0
      engine.watch(() => changes++)
      await ask(instance, '/crash').catch(() => undefined)
      expect(await exitOf(instance.id)).toMatchObject({ code: 7, reason: 'exited with code 7' })
      await until(async () => changes > 0 || undefined)
      await engine.stop(instance.id, 0)
      expect(await stateOf(instance.id)).toBeUndefined()
    })

    test('an instance that exits at once is told with its output', async () => {
      const broken = await engine.build(
        await writePackage(
          home,
          'console.error("2026-01-01T00:00:00.000Z stderr F no way"); process.exit(3)',
          'broken',
        ),
        never,
      )
      const spec = specOf({ image: broken })
      const started = await engine.start(spec, never).catch((error: Error) => error)
      if (started instanceof Error) expect(started).toMatchObject({ code: 'START_FAILED' })
      expect(await exitOf(spec.id)).toMatchObject({ code: 3 })
      expect(await linesOf(engine, spec.id)).toEqual([expect.stringContaining('no way')])
    })

    test('an instance that allocates too much dies alone, and the reason says so', async () => {
      const [greedy, hoarder, modest] = await Promise.all([start(), start(), start()])
      void ask(greedy, '/heap').catch(() => undefined)
      void ask(hoarder, '/buffers').catch(() => undefined)
      expect((await exitOf(greedy.id)).reason).toMatch(/out of memory/)
      expect((await exitOf(hoarder.id)).reason).toMatch(/out of memory/)
      expect(await ask(modest, '/')).toBe('hello')
    })

    test('stops gently, keeps the output, and stopping twice is fine', async () => {
      const instance = await start()
      await ask(instance, '/')
      await engine.stop(instance.id, 5000)
      await engine.stop(instance.id, 5000)
      expect(await engine.instances()).toEqual([])
      expect(await linesOf(engine, instance.id)).toEqual(['listening', 'bye'])
      expect(await engine.logSources('probe')).toContain(instance.id)
    })

    test('tens of thousands of lines are read, and the newest kept after the end', async () => {
      const instance = await start()
      await ask(instance, '/flood')
      const read = async (tail: number) => {
        const lines: string[] = []
        const query = { follow: false, tail }
        for await (const { line } of engine.logs({ route: 'probe', id: instance.id }, query, never)) lines.push(line)
        return lines.filter(line => line.startsWith('line '))
      }
      await until(async () => ((await read(10)).at(-1) === 'line 30000' ? true : undefined))
      expect(await read(25_000)).toHaveLength(25_000)
      await engine.stop(instance.id, 2_000)
      expect((await read(10)).at(-1)).toBe('line 30000')
    })

    test('follows the output of a living instance, and reads only what is newer or last', async () => {
      const instance = await start()
      const abort = new AbortController()
      const lines: LogLine[] = []
      const reading = (async () => {
        for await (const line of engine.logs(instance, { follow: true }, abort.signal)) lines.push(line)
      })()
      await until(async () => lines.length === 1 || undefined)
      expect(Date.parse(lines[0]!.time)).toBeGreaterThan(Date.now() - 60_000)
      await engine.stop(instance.id, 5000)
      await until(async () => lines.length === 2 || undefined)
      abort.abort()
      await reading
      expect(lines.map(({ line, stream }) => [line, stream])).toEqual([
        ['listening', 'stdout'],
        ['bye', 'stdout'],
      ])
      expect(await linesOf(engine, instance.id, { tail: 1 })).toEqual(['bye'])
      expect(await linesOf(engine, instance.id, { since: new Date(Date.now() + 60_000).toISOString() })).toEqual([])
    })

    test('a new engine object adopts what runs', async () => {
      const instance = await start()
      const successor = await under.make()
      await successor.prepare(() => undefined)
      expect(await successor.instances()).toMatchObject([{ id: instance.id, state: instance.state }])
      expect(await ask(instance, '/')).toBe('hello')
      await successor.stop(instance.id, 1000)
      expect(await successor.instances()).toEqual([])
      await successor.close()
    })

    test('starting is cancelled by its signal and leaves nothing', async () => {
      await expect(engine.start(specOf(), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
      expect(await engine.instances()).toEqual([])
    })

    test('knows its images and removes them', async () => {
      const other = await engine.build(await writePackage(home, `// another\n${FUNCTION}`, 'other'), never)
      expect((await engine.images()).map(({ ref }) => ref)).toEqual(expect.arrayContaining([image, other]))
      await engine.removeImage(other)
      await engine.removeImage(other)
      expect((await engine.images()).map(({ ref }) => ref)).not.toContain(other)
    })

    test('isolation is real where it is promised', async () => {
      const instance = await start()
      if (!under.isolates) {
        expect(engine.note).toMatch(/no isolation/i)
        return
      }
      const { uid, name, status, cgroup } = (await ask(instance, '/who')) as Who
      // Of no user of this machine.
      expect([uid, name]).toEqual([65_532, 'function'])
      expect(await readFile('/etc/passwd', 'utf8')).not.toContain(`:${uid}:`)
      expect(cgroup).toMatch(/^(?:\d+:[^:]*:\/\n?)+$/)
      expect(status).toMatch(/CapEff:\s+0+\n/)
      expect(status).toMatch(/CapBnd:\s+0+\n/)
      expect(status).toMatch(/NoNewPrivs:\s+1/)
      expect(await ask(instance, '/write')).toBe('EROFS')
      expect(await ask(instance, '/tmp')).toBe('written')
      const forks = (await ask(instance, '/fork')) as { failed: number; started: number }
      expect(forks.failed).toBeGreaterThan(0)
    })

    // The last one: nothing is left after it.
    test('cleans up beside instances that are being stopped', async () => {
      const started = await Promise.all(Array.from({ length: 3 }, () => start()))
      await Promise.all([...started.map(({ id }) => engine.stop(id, 0)), engine.cleanUp(true)])
      expect(await engine.instances()).toEqual([])
    })
  })
}

interface Who {
  uid: number
  name: string
  status: string
  cgroup: string
}

/** From its code folder. */
function nodeCommand({ memoryMb, debug }: CommandNeeds): string[] {
  return [
    'node',
    ...(memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`]),
    ...(debug === undefined ? [] : [`--inspect=${debug.host}:${debug.port}`]),
    'main.mjs',
  ]
}

async function writePackage(home: string, code: string, hash = 'h1'): Promise<BuiltPackage> {
  const dir = join(home, 'deployments', 'probe', hash, 'app')
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'main.mjs'), code)
  await writeFile(join(dir, 'tool'), '', { mode: 0o700 })
  return { route: 'probe', hash, dir }
}

/**
 * Asks an instance. It may need a moment to listen: until then a connection is refused, or (behind a published port)
 * accepted and closed, so `/` is asked until it answers first.
 */
async function ask(instance: Instance, path: string): Promise<unknown> {
  if (instance.state.kind !== 'running') throw new Error('it is not running')
  const { host, port } = instance.state.address
  // Not fetch: the standard forbids it port 6000 (https://fetch.spec.whatwg.org/#port-blocking).
  const get = async (target: string) => {
    const { body } = await request(`http://${host}:${port}${target}`, { signal: AbortSignal.timeout(10_000) })
    return body.json()
  }
  const hello = await until(() => get('/').catch(() => undefined))
  return path === '/' ? hello : get(path)
}

async function linesOf(engine: Engine, id: string, query: { tail?: number; since?: string } = {}): Promise<string[]> {
  const lines: string[] = []
  const source = { route: 'probe', id }
  for await (const { line } of engine.logs(source, { follow: false, ...query }, new AbortController().signal))
    lines.push(line)
  return lines
}
