import { afterEach, expect, test } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { RyoFaasError } from '../contract/index.ts'
import { Adoption } from './adoption.ts'

const NO_LEADER = new RyoFaasError('DOCKER_UNREACHABLE', 'the managers have no leader', { hint: 'docker node ls' })
const ends: (() => void)[] = []
afterEach(() => ends.splice(0).forEach(end => end()))

function adopting({ patienceMs = 60_000, waitMs = 60_000, isHeld = (): boolean => true } = {}) {
  const engine = {
    silence: () => new RyoFaasError('DOCKER_UNREACHABLE', 'the managers are silent'),
    kind: 'well' as 'well' | 'away' | 'silent',
    instances: () => {
      if (engine.kind === 'silent') return new Promise<never>(() => undefined)
      return engine.kind === 'away' ? Promise.reject(NO_LEADER) : Promise.resolve([])
    },
  }
  /** What happened, in order. */
  const log: string[] = []
  let onKnow: (() => void) | undefined
  const adoption = new Adoption({
    ...{ engine, patienceMs, waitMs, isHeld },
    adopt: async know => {
      log.push('adopting')
      await new Promise<void>(resolve => (onKnow = resolve))
      know()
      log.push('known')
    },
    goOn: () => log.push('goes on'),
    onChange: () => log.push(`waits for: ${adoption.waitsFor}`),
    log: { warn: () => undefined },
  })
  ends.push(() => adoption.close())
  const know = async () => {
    await untilTrue(() => onKnow !== undefined, 'it is adopting')
    onKnow!()
  }
  return { adoption, engine, log, know }
}

test('with an engine that answers, it begins once what runs is known and the rest is done', async () => {
  const { adoption, log, know } = adopting()
  const begun = adoption.begin().then(() => log.push('begun'))
  await know()
  await begun
  expect([log, adoption.waitsFor]).toEqual([['adopting', 'known', 'begun'], undefined])
})

test('while the engine has no leader all goes on as before, and what runs is adopted when it has one', async () => {
  const { adoption, engine, log, know } = adopting()
  engine.kind = 'away'
  await adoption.begin()
  expect(log).toEqual(['waits for: the managers have no leader', 'goes on'])
  const asked = adoption.known().then(() => log.push('answered'))
  engine.kind = 'well'
  await know()
  await asked
  expect(log.slice(2)).toEqual(['adopting', 'waits for: undefined', 'known', 'answered'])
})

test('an engine that does not answer at all is waited for no longer than one that refuses', async () => {
  const { adoption, engine, log } = adopting({ patienceMs: 1 })
  engine.kind = 'silent'
  await adoption.begin()
  expect(log).toEqual(['waits for: the managers are silent', 'goes on'])
})

test('what is asked meanwhile waits for a bounded time, and is told why', async () => {
  const { adoption, engine } = adopting({ waitMs: 1 })
  engine.kind = 'away'
  await adoption.begin()
  await expect(adoption.known()).rejects.toMatchObject({
    code: 'DOCKER_UNREACHABLE',
    message: 'functions cannot be started, stopped or changed yet: the managers have no leader',
    hint: 'docker node ls',
  })
})

test('an engine that goes away while what runs is looked at is asked again', async () => {
  let attempts = 0
  const log: string[] = []
  const adoption = new Adoption({
    ...{ engine: { instances: () => Promise.resolve([]) }, patienceMs: 60_000 },
    adopt: async know => {
      attempts += 1
      if (attempts < 3) throw NO_LEADER
      know()
    },
    goOn: () => log.push('goes on'),
    onChange: () => undefined,
    log: { warn: () => undefined },
  })
  await adoption.begin()
  await adoption.known()
  expect([attempts, log]).toEqual([3, ['goes on']])
})

test('what fails after that is the failure of the start', async () => {
  const adoption = new Adoption({
    ...{ engine: { instances: () => Promise.resolve([]) }, patienceMs: 60_000 },
    adopt: async know => {
      know()
      throw new RyoFaasError('PART_FAILED', 'the proxy did not accept the new routes')
    },
    goOn: () => expect.unreachable('the engine answers'),
    onChange: () => undefined,
    log: { warn: () => undefined },
  })
  await expect(adoption.begin()).rejects.toMatchObject({ code: 'PART_FAILED' })
})

test('one that does not lead at the moment changes nothing: it waits, and says so', async () => {
  let isHeld = false
  const { adoption, know } = adopting({ waitMs: 200, isHeld: () => isHeld })
  const begun = adoption.begin()
  await know()
  await begun
  await expect(adoption.mayChange()).rejects.toMatchObject({ code: 'NOT_LEADING' })
  const asked = adoption.mayChange()
  isHeld = true
  await asked
})
