/** What an engine with a capability must do. */
import { request } from 'undici'
import { expect, test } from 'vitest'
import type { LogLine } from '../../src/contract/index.ts'
import { until } from '../support/until.ts'
import { ask, never, type EngineStage } from './engine-stage.ts'

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
