import { afterEach, beforeEach, expect, it } from 'vitest'
import { call, Stage, text, until } from '../proxy-testing.ts'

let stage: Stage

beforeEach(() => void (stage = new Stage()))
afterEach(() => stage.end())

it('the span of a call says how long it was held, if it was', async () => {
  const bodies: string[] = []
  const collector = await stage.http(async (request, response) => {
    bodies.push(await text(request))
    response.end('{}')
  })
  const traces = { url: `http://127.0.0.1:${collector.port}`, perSecond: 100, ratio: 1, slowMs: 0 }
  const traced = await stage.proxy({ traces })
  const instance = await stage.http((_request, response) => response.end())
  await stage.serve(traced, [instance], { scale: { max: 1 } })
  await call(traced, '/functions/fn/awake')
  await stage.serve(traced, [{ ...instance, isFrozen: true }], { scale: { max: 1 } })
  const held = call(traced, '/functions/fn/asleep')
  await until(async () => (await traced.stats()).functions[0]!.inflight === 1, 'it waits')
  await stage.serve(traced, [instance], { scale: { max: 1 } })
  await held
  await traced.close()
  type Exported = { resourceSpans: { scopeSpans: { spans: { attributes: { key: string; value: object }[] }[] }[] }[] }
  const spans = bodies
    .flatMap(body => (JSON.parse(body) as Exported).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(scope => scope.spans))
    .map(({ attributes }) => Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])))
  const shown = spans.map(found => [found['url.path'] as string, found['ryo_faas.held_ms'] !== undefined])
  expect(Object.fromEntries(shown)).toEqual({ '/functions/fn/awake': false, '/functions/fn/asleep': true })
})
