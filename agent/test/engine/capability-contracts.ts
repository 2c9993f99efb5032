/** What an engine with a capability must do. */
import { request } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import type { LogLine } from '../../src/contract/index.ts'
import type { Instance, InstanceSpec } from '../../src/engines/index.ts'
import { until } from '../support/until.ts'
import { addressOf, ask, get, never, type EngineStage } from './engine-stage.ts'

type StageOf = () => EngineStage

const textOf = (lines: LogLine[]) => lines.map(({ line }) => line)

export function imagesContract(stageOf: StageOf): void {
  const imagesOf = () => stageOf().engine.images!
  const refs = async () => (await imagesOf().list()).map(({ ref }) => ref)

  test('the same package is built only once, and a missing one is not built', async () => {
    const { built, image } = stageOf()
    expect(await imagesOf().build(built, never)).toBe(image)
    expect(imagesOf().refOf(built)).toBe(image)
    const gone = { ...built, hash: 'gone', dir: `${built.dir}-gone` }
    await expect(imagesOf().build(gone, never)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' })
  })

  test('are listed and removed', async () => {
    const other = await imagesOf().build(await stageOf().package('other'), never)
    expect(await refs()).toEqual(expect.arrayContaining([stageOf().image, other]))
    await imagesOf().remove(other)
    await imagesOf().remove(other)
    expect(await refs()).not.toContain(other)
  })

  test('a start from a missing image says so, and leaves nothing', async () => {
    const { engine } = stageOf()
    const image = await imagesOf().build(await stageOf().package('removed'), never)
    await imagesOf().remove(image)
    await expect(stageOf().start({ image })).rejects.toMatchObject({ code: 'IMAGE_GONE' })
    expect(await engine.instances()).toEqual([])
  })
}

export function logsContract(stageOf: StageOf): void {
  const logsOf = () => stageOf().engine.logs!

  test('the output of an instance that exits at once is kept', async () => {
    const stage = stageOf()
    const code = 'console.error("2026-01-01T00:00:00.000Z stderr F no way"); process.exit(3)'
    const spec = stage.specOf({ image: await stage.imageOf(await stage.package('telling', code)) })
    await stage.engine.start(spec, never).catch(() => undefined)
    await stage.exitOf(spec.id)
    expect(textOf(await stage.lines(spec.id))).toEqual([expect.stringContaining('no way')])
  })

  test('the output of an instance that was stopped is kept, until it is forgotten', async () => {
    const instance = await stageOf().start({ route: 'forgotten' })
    await ask(instance, '/')
    await stageOf().engine.stop(instance.id, 5000)
    const read = async () => {
      const lines: LogLine[] = []
      for await (const line of logsOf().read(instance, { follow: false }, never)) lines.push(line)
      return textOf(lines)
    }
    expect(await read()).toEqual(['listening', 'bye'])
    expect(await logsOf().sources('forgotten')).toEqual([instance.id])
    await logsOf().forget('forgotten')
    expect([await read(), await logsOf().sources('forgotten')]).toEqual([[], []])
  })

  test('tens of thousands of lines are read, and the newest kept after the end', async () => {
    const stage = stageOf()
    const { id } = await stage.start().then(async instance => (await ask(instance, '/flood'), instance))
    const read = async (tail: number) =>
      textOf(await stage.lines(id, { tail })).filter(line => line.startsWith('line '))
    await until(async () => ((await read(10)).at(-1) === 'line 30000' ? true : undefined))
    expect(await read(25_000)).toHaveLength(25_000)
    await stage.engine.stop(id, 2_000)
    expect((await read(10)).at(-1)).toBe('line 30000')
  })

  test('the output of a live instance is followed; newer or last lines can be requested', async () => {
    const stage = stageOf()
    const instance = await stage.start()
    const abort = new AbortController()
    const lines: LogLine[] = []
    const reading = (async () => {
      for await (const line of logsOf().read(instance, { follow: true }, abort.signal)) lines.push(line)
    })()
    await until(async () => lines.length === 1 || undefined)
    expect(Date.parse(lines[0]!.time)).toBeGreaterThan(Date.now() - 60_000)
    await stage.engine.stop(instance.id, 5000)
    await until(async () => lines.length === 2 || undefined)
    abort.abort()
    await reading
    expect(lines.map(({ line, stream }) => [line, stream])).toEqual([
      ['listening', 'stdout'],
      ['bye', 'stdout'],
    ])
    expect(textOf(await stage.lines(instance.id, { tail: 1 }))).toEqual(['bye'])
    expect(await stage.lines(instance.id, { since: new Date(Date.now() + 60_000).toISOString() })).toEqual([])
  })
}

export function freezeContract(stageOf: StageOf): void {
  const freezingOf = () => stageOf().engine.freeze!
  const kindOf = async (id: string) => (await stageOf().stateOf(id))?.kind

  test('a frozen instance keeps its address and its connections, and answers once it is thawed', async () => {
    const instance = await stageOf().start()
    await ask(instance, '/')
    const { id, state } = instance
    await freezingOf().freeze(id)
    await freezingOf().freeze(id)
    expect(await stageOf().engine.instance(id)).toEqual({ ...instance, state: { ...state, kind: 'frozen' } })
    const asked = get(addressOf(instance))
    await freezingOf().thaw(id)
    await freezingOf().thaw(id)
    expect(await asked).toBe('hello')
    expect(await stageOf().engine.instance(id)).toEqual(instance)
  })

  test('it is found frozen by another engine object, which can thaw it', async () => {
    const instance = await stageOf().start()
    await freezingOf().freeze(instance.id)
    const successor = await stageOf().under.make()
    await successor.prepare(() => undefined)
    expect(await successor.instances()).toMatchObject([{ id: instance.id, state: { kind: 'frozen' } }])
    await successor.freeze!.thaw(instance.id)
    expect(await ask(instance, '/')).toBe('hello')
    await successor.close()
  })

  test('it can be stopped as it is, and says good-bye', async () => {
    const [patient, sudden] = await Promise.all([stageOf().start(), stageOf().start()])
    await Promise.all([ask(patient, '/'), ask(sudden, '/')])
    await Promise.all([patient, sudden].map(({ id }) => freezingOf().freeze(id)))
    await Promise.all([stageOf().engine.stop(patient.id, 5000), stageOf().engine.stop(sudden.id, 0)])
    expect(await stageOf().engine.instances()).toEqual([])
    expect(textOf(await stageOf().lines(patient.id))).toEqual(['listening', 'bye'])
  })

  test('one that exited stays so, and one that does not exist is nothing to freeze', async () => {
    const instance = await stageOf().start()
    await ask(instance, '/crash').catch(() => undefined)
    await stageOf().exitOf(instance.id)
    for (const id of [instance.id, 'none']) {
      await freezingOf().freeze(id)
      await freezingOf().thaw(id)
    }
    expect(await kindOf(instance.id)).toBe('exited')
  })
}

export function debugContract(stageOf: StageOf): void {
  test('a debugger attaches at the chosen port', async () => {
    const debugPort = await stageOf().engine.debug!.port()
    await stageOf().start({ debugPort })
    const { statusCode, body } = await until(() =>
      request(`http://127.0.0.1:${debugPort}/json/list`).catch(() => undefined),
    )
    expect(statusCode).toBe(200)
    expect(await body.json()).toMatchObject([{ type: 'node' }])
  })
}

export function poolContract(stageOf: StageOf): void {
  beforeAll(() => {
    const { engine, specOf } = stageOf()
    engine.pool!.open([specOf.call(stageOf(), {})])
  })

  test('what waits is no instance; what was taken is one like any other', async () => {
    const stage = stageOf()
    const variables = { env: { GREETING: 'hi', TZ: 'Etc/GMT-3' }, secrets: { KEY: 's3cret' } }
    const instance = await stage.take({ ...variables, version: 3 })
    expect(await ask(instance, '/')).toBe('hello')
    expect(await stage.engine.instances()).toMatchObject([
      { id: instance.id, route: 'probe', version: 3, name: instance.name, origin: 'pool', state: instance.state },
    ])
    const fresh = await stage.start(variables)
    const looksOf = (one: Instance) => Promise.all(['/looks', '/secret', '/may-run'].map(path => ask(one, path)))
    const looks = await looksOf(instance)
    expect(looks).toEqual(await looksOf(fresh))
    expect(looks).toMatchObject([{ files: ['main.mjs', 'tool'], hours: -3 }, 's3cret', ['tool']])
    // Names and addresses are its own.
    const names = ['HOSTNAME', 'RYO_FAAS_READY_FILE', 'RYO_FAAS_SECRETS_DIR']
    const envOf = async (one: Instance) =>
      Object.entries((await ask(one, '/env')) as object)
        .filter(([name]) => !names.includes(name))
        .toSorted()
    expect(await envOf(instance)).toEqual(await envOf(fresh))
  })

  test('it is listed with its reason when it died, and its output is kept', async () => {
    const stage = stageOf()
    const instance = await stage.take({ route: 'taken' })
    await ask(instance, '/crash').catch(() => undefined)
    expect(await stage.exitOf(instance.id)).toMatchObject({ code: 7, reason: 'exited with code 7' })
    await stage.engine.stop(instance.id, 0)
    const { logs } = stage.engine
    const lines: LogLine[] = []
    for await (const line of logs!.read(instance, { follow: false }, never)) lines.push(line)
    expect([textOf(lines), await logs!.sources('taken')]).toEqual([['listening'], [instance.id]])
    expect(await stage.engine.instances()).toEqual([])
  })

  test('a new engine object adopts it, and ends it', async () => {
    const stage = stageOf()
    const instance = await stage.take()
    await ask(instance, '/')
    const successor = await stage.under.make()
    await successor.prepare(() => undefined)
    expect(await successor.instances()).toEqual([instance])
    await successor.stop(instance.id, 1000)
    expect(await successor.instances()).toEqual([])
    await successor.close()
  })

  test('each is taken once, and never given back', async () => {
    const stage = stageOf()
    const first = await stage.take()
    await ask(first, '/tmp')
    await stage.engine.stop(first.id, 0)
    const second = await stage.take()
    expect(second.id).not.toBe(first.id)
    expect(await ask(second, '/')).toBe('hello')
  })

  test('code that fails while it loads has failed to start, or is listed as exited', async () => {
    const stage = stageOf()
    const built = await stage.package('broken-in-pool', 'process.exit(3)')
    const spec = stage.specOf()
    await until(async () => {
      const taken = await stage.engine.pool!.take(spec, built, never).catch(() => ({ kind: 'taken' }))
      return taken.kind === 'taken' || undefined
    })
    expect(await stage.exitOf(spec.id)).toMatchObject({ code: 3 })
  })

  test('what a process is told when it boots keeps it from the pool, and the reason says so', async () => {
    const stage = stageOf()
    const whyNot = async (changes: Partial<InstanceSpec>) => {
      const taken = await stage.engine.pool!.take(stage.specOf(changes), stage.built, never)
      return taken.kind === 'none' ? taken.why : taken
    }
    expect(await whyNot({ debugPort: 9229 })).toMatch(/debugger/)
    expect(await whyNot({ env: { NODE_OPTIONS: '--trace-gc' } })).toBe('NODE_OPTIONS is read when Node boots')
    expect(await whyNot({ command: ['/app/server'] })).toBe('it does not run on Node')
    expect(await whyNot({ limits: { memoryMb: 96, cpus: 1, pids: 64 } })).toMatch(/^no \w+ with 96 MB is waiting/)
  })
}
