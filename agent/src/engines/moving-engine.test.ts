import { expect, test } from 'vitest'
import type { Engine, Instance, InstanceSpec } from './engine.ts'
import { MovingEngine } from './moving-engine.ts'

/** An engine in memory that says what is asked of it. */
function engine(kind: Engine['kind'], log: string[], ids: string[] = []) {
  const instance = (id: string): Instance => ({
    ...{ id, route: 'fn', version: 1, name: id, startedAt: '' },
    state: { kind: 'running', address: { host: '127.0.0.1', port: 1 } },
  })
  return {
    ...{ kind, note: kind, isolation: { label: '' }, runsInPlace: false, ids },
    prepare: async () => ({
      reach: { proxyHost: `of ${kind}`, listenHosts: [{ host: kind, peers: [] }] },
      warnings: [],
    }),
    start: async ({ id }: InstanceSpec) => {
      ids.push(id)
      return instance(id)
    },
    promote: async (id: string) => void log.push(`${kind} names ${id}`),
    instance: async (id: string) => (ids.includes(id) ? instance(id) : undefined),
    instances: async () => ids.map(instance),
    stop: async (id: string) => {
      log.push(`${kind} stops ${id}`)
      ids.splice(ids.indexOf(id), 1)
    },
    cleanUp: async (removeImages: boolean) => void log.push(`${kind} cleans up${removeImages ? ' all' : ''}`),
    close: async () => void log.push(`${kind} closes`),
  } as unknown as Engine & { ids: string[] }
}

function moving(ids: string[], { cleanUp }: Partial<Pick<Engine, 'cleanUp'>> = {}) {
  const log: string[] = []
  const from = Object.assign(engine('docker', log, ids), cleanUp && { cleanUp })
  const to = Object.assign(engine('swarm', log), { isExposed: true })
  const onLeft = async () => void log.push('left')
  const onFailure = (error: unknown) => void log.push(`failed: ${(error as Error).message}`)
  return { log, moving: new MovingEngine({ from, to, onLeft, onFailure }) }
}
const start = (of: Engine, id: string) => of.start({ id } as InstanceSpec, new AbortController().signal)

test('what is new runs on the second engine, what was there is listed as leaving, and each is stopped where it runs', async () => {
  const { log, moving: both } = moving(['old'])
  await start(both, 'new')
  const listed = (await both.instances()).map(({ id, isLeaving }) => [id, isLeaving])
  expect([both.kind, listed]).toEqual([
    'swarm',
    [
      ['new', undefined],
      ['old', true],
    ],
  ])
  expect(await both.instance('old')).toMatchObject({ id: 'old', isLeaving: true })
  await both.promote('old')
  await both.promote('new')
  await both.stop('new', 0)
  await both.stop('old', 0)
  expect(log).toEqual(['swarm names new', 'swarm stops new', 'docker stops old'])
})

test('instances that have a key are shown it until they have left; new ones get none where nobody else reaches them', () => {
  const away = Object.assign(engine('swarm', [], ['old']), { isExposed: true })
  const onLeft = async () => undefined
  const back = new MovingEngine({ from: away, to: engine('docker', []), onLeft, onFailure: () => undefined })
  expect([back.isExposed, back.wasExposed]).toEqual([false, true])
  const { moving: there } = moving(['old'])
  expect([there.isExposed, there.wasExposed]).toEqual([true, false])
})

test('once nothing is left there, the first is cleaned up and forgotten, once', async () => {
  const { log, moving: both } = moving(['old'])
  await both.instances()
  await both.stop('old', 0)
  // One function says nothing about the others.
  await both.instances('fn')
  expect(log).toEqual(['docker stops old'])
  await both.instances()
  await both.instances()
  await expect.poll(() => log).toEqual(['docker stops old', 'docker cleans up all', 'docker closes', 'left'])
  await both.close()
  expect(log.at(-1)).toBe('swarm closes')
})

test('what cannot be cleaned up is told, and not noted as left', async () => {
  const cleanUp = () => Promise.reject(new Error('in use'))
  const { log, moving: both } = moving([], { cleanUp })
  expect(await both.instances()).toEqual([])
  await expect.poll(() => log).toEqual(['docker closes', 'failed: in use'])
})

test('the platform listens for both, under the name of the second', async () => {
  const { reach } = await moving([]).moving.prepare(() => undefined)
  expect([reach.proxyHost, reach.listenHosts.map(({ host }) => host)]).toEqual(['of swarm', ['swarm', 'docker']])
})
