import { afterEach, expect, test } from 'vitest'
import { untilTrue } from '../../../test/support/until.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { DockerService } from '../../docker/index.ts'
import type { Engine, EngineType } from '../../engines/index.ts'
import { EngineAhead } from './engine-ahead.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** An engine of which agents on other machines see the same instances. */
function sharing({ isShared = true, engine = 'pods', isAway = false } = {}) {
  const is = { isAway, machines: 1, prepared: 0, made: 0, closed: 0 }
  const made = () => {
    is.made += 1
    return {
      isShared,
      prepare: async () => {
        is.prepared += 1
        if (is.isAway) throw new RyoFaasError('DOCKER_UNREACHABLE', 'no leader')
        return { reach: { proxyHost: `of ${is.machines}`, listenHosts: [] }, warnings: [] }
      },
      close: async () => void (is.closed += 1),
    } as unknown as Engine
  }
  const type = {
    ...{ kind: 'pods', help: 'pods' },
    detect: async () => ({ kind: 'usable' }),
    create: async () => made(),
  } as unknown as EngineType
  const told: string[] = []
  const ahead = EngineAhead.start({
    choice: { engine, docker: new DockerService({}), home: '/' } as unknown as Parameters<
      typeof EngineAhead.start
    >[0]['choice'],
    log: { info: (_details, message) => void told.push(message) },
    registry: [type],
    refreshMs: 1,
    againMs: 1,
  })
  ends.push(() => ahead.close())
  return { ahead, is, told }
}

test('it is prepared before it is needed, and again as machines come and go', async () => {
  const { ahead, is } = sharing()
  is.machines = 2
  await untilTrue(() => is.prepared > 2, 'it is prepared again')
  const { engine, prepared } = (await ahead.take())!
  expect([prepared.reach.proxyHost, is.made]).toEqual(['of 2', 1])
  await ahead.close()
  // It belongs to who took it.
  expect([is.closed, engine.isShared]).toEqual([0, true])
})

test('an engine that goes away is taken as it was prepared last', async () => {
  const { ahead, is, told } = sharing()
  await untilTrue(() => is.prepared > 0, 'it is prepared')
  is.isAway = true
  const before = is.prepared
  await untilTrue(() => is.prepared > before + 3, 'it is tried again')
  expect((await ahead.take())?.prepared.reach.proxyHost).toBe('of 1')
  expect(told).toEqual(['the engine cannot be prepared ahead at the moment'])
})

test('one that never could be prepared is not there, and closed', async () => {
  const { ahead, is } = sharing({ isAway: true })
  await untilTrue(() => is.prepared > 1, 'it is tried again')
  expect([await ahead.take(), is.closed]).toEqual([undefined, 1])
})

test.each<[string, { isShared?: boolean; engine?: string }]>([
  ['whose instances are of this machine', { isShared: false }],
  ['that is chosen only when it is needed', { engine: 'auto' }],
])('an engine %s is not prepared', async (_, options) => {
  const { ahead, is } = sharing(options)
  await untilTrue(() => options.engine === 'auto' || is.closed === 1, 'it is left')
  expect([await ahead.take(), is.prepared, is.made - is.closed]).toEqual([undefined, 0, 0])
})
