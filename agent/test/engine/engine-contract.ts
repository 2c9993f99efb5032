/**
 * What every engine must do, run on each of them with real containers, processes or threads: the core for all, and the
 * part of each capability for those that have it.
 */
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { capabilitiesOf } from '../../src/engines/index.ts'
import { until } from '../support/until.ts'
import { debugContract, freezeContract, imagesContract, logsContract, poolContract } from './capability-contracts.ts'
import { ask, EngineStage, never, type EngineUnderTest } from './engine-stage.ts'

interface Who {
  uid: number
  name: string
  status: string
  cgroup: string
}

const CONTRACTS = {
  images: imagesContract,
  logs: logsContract,
  debug: debugContract,
  freeze: freezeContract,
  pool: poolContract,
}

/** @param named the engine's name, and what it promises beyond the core */
export function engineContract(name: string, setUp: (home: string) => EngineUnderTest): void {
  // Only to know which tests there are; nothing is started.
  const { has, isolates, limitsMemory } = setUp('/nowhere')

  describe(`the ${name} engine`, () => {
    let stage: EngineStage
    beforeAll(async () => {
      stage = await EngineStage.make(setUp)
    })
    afterEach(() => stage.stopInstances())
    afterAll(() => stage.remove())

    test('reports what it can do, and how functions reach the platform', async () => {
      const { engine, prepared, built } = stage
      expect(capabilitiesOf(engine)).toEqual(has)
      expect(engine.isolation.label).toMatch(/^(?:in|as) /)
      expect(prepared.reach.proxyHost).not.toBe('')
      for (const { peers } of prepared.reach.listenHosts) expect(peers).not.toEqual([])
      expect(await engine.prepare(() => undefined)).toEqual(prepared)
      expect(engine.codeFolderOf(built)).toMatch(/^\//)
      expect(await engine.surroundings()).toMatchObject({ modules: process.versions.modules })
    })

    test('starts an instance that answers at its address', async () => {
      const instance = await stage.start()
      expect(await ask(instance, '/')).toBe('hello')
      expect(await stage.engine.instances()).toMatchObject([
        { id: instance.id, route: 'probe', version: 1, state: { kind: 'running' } },
      ])
    })

    test('finds one instance among others, and those of one deployment', async () => {
      const [instance] = await Promise.all([stage.start(), stage.start({ route: 'other' })])
      expect(await stage.engine.instance(instance.id)).toEqual(instance)
      expect((await stage.engine.instances('probe')).map(({ id }) => id)).toEqual([instance.id])
      await stage.engine.stop(instance.id, 0)
      expect(await stage.engine.instance(instance.id)).toBeUndefined()
    })

    test('passes variables, secrets as variables and as files, and nothing of its own environment', async () => {
      process.env['RYO_FAAS_TEST_LEAK'] = 'must not be seen'
      try {
        const instance = await stage.start({ env: { GREETING: 'hi' }, secrets: { KEY: 's3cret' } })
        const env = (await ask(instance, '/env')) as Record<string, string>
        expect(env).toMatchObject({ GREETING: 'hi', KEY: 's3cret' })
        expect(env).not.toHaveProperty('RYO_FAAS_TEST_LEAK')
        expect(await ask(instance, '/secret')).toBe('s3cret')
      } finally {
        delete process.env['RYO_FAAS_TEST_LEAK']
      }
    })

    test('programs of a package can be run, and nothing else', async () => {
      expect(await ask(await stage.start(), '/may-run')).toEqual(['tool'])
    })

    test('lists an instance that died, with its exit code, until it is stopped', async () => {
      const instance = await stage.start()
      let changes = 0
      stage.engine.watch(() => changes++)
      await ask(instance, '/crash').catch(() => undefined)
      const exit = { code: 7, reason: 'exited with code 7' }
      expect(await stage.exitOf(instance.id)).toMatchObject(exit)
      expect(await stage.engine.instance(instance.id)).toMatchObject({ state: exit })
      await until(async () => changes > 0 || undefined)
      await stage.engine.stop(instance.id, 0)
      expect(await stage.stateOf(instance.id)).toBeUndefined()
    })

    test('an instance that exits at once has failed to start, or is listed as exited', async () => {
      const spec = stage.specOf({ image: await stage.imageOf(await stage.package('broken', 'process.exit(3)')) })
      const started = await stage.engine.start(spec, never).catch((error: Error) => error)
      if (started instanceof Error) expect(started).toMatchObject({ code: 'START_FAILED' })
      expect(await stage.exitOf(spec.id)).toMatchObject({ code: 3 })
    })

    test('what is stopped is gone, and stopping twice is fine', async () => {
      const instance = await stage.start()
      await ask(instance, '/')
      await stage.engine.stop(instance.id, 5000)
      await stage.engine.stop(instance.id, 5000)
      expect(await stage.engine.instances()).toEqual([])
    })

    test('a new engine object adopts running instances', async () => {
      const instance = await stage.start()
      const successor = await stage.under.make()
      await successor.prepare(() => undefined)
      expect(await successor.instances()).toMatchObject([{ id: instance.id, state: instance.state }])
      expect(await ask(instance, '/')).toBe('hello')
      await successor.stop(instance.id, 1000)
      expect(await successor.instances()).toEqual([])
      await successor.close()
    })

    test('starting is cancelled by its signal and leaves nothing', async () => {
      await expect(stage.engine.start(stage.specOf(), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
      expect(await stage.engine.instances()).toEqual([])
    })

    if (limitsMemory) {
      test('an instance that allocates too much dies alone, and the reason says so', async () => {
        const [greedy, hoarder, modest] = await Promise.all([stage.start(), stage.start(), stage.start()])
        void ask(greedy, '/heap').catch(() => undefined)
        void ask(hoarder, '/buffers').catch(() => undefined)
        expect((await stage.exitOf(greedy.id)).reason).toMatch(/out of memory/)
        expect((await stage.exitOf(hoarder.id)).reason).toMatch(/out of memory/)
        expect(await ask(modest, '/')).toBe('hello')
      })
    }

    if (isolates) {
      test('isolation is real where it is promised', async () => {
        expect(stage.engine.isolation.warning).toBeUndefined()
        const instance = await stage.start()
        const { uid, name, status, cgroup } = (await ask(instance, '/who')) as Who
        // An id that no user of this machine has.
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
    } else {
      test('missing isolation is reported', () => {
        expect(stage.engine.isolation.warning).toMatch(/no isolation/)
      })
    }

    for (const [capability, contract] of Object.entries(CONTRACTS)) {
      if (has.some(name => name === capability)) describe(`its ${capability}`, () => contract(() => stage))
    }

    // Last, because it removes everything.
    test('cleans up while instances are being stopped, also what is frozen', async () => {
      const { engine } = stage
      const [sleeper, ...others] = await Promise.all(Array.from({ length: 4 }, () => stage.start()))
      await engine.freeze?.freeze(sleeper!.id)
      await Promise.all([...others.map(({ id }) => engine.stop(id, 0)), engine.cleanUp(true)])
      expect(await engine.instances()).toEqual([])
    })
  })
}
