import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineContract } from './engine-contract.ts'
import { addressOf, ask, EngineStage, type EngineUnderTest } from './engine-stage.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { DockerEngine } from '../../src/engines/docker/docker-engine.ts'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { poolSizeOf } from '../../src/engines/pool/pool-size.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'
import { ThreadEngine, Threads } from './thread-engine.ts'

const pool = poolSizeOf({ pool: 1, runtimeDir: fileURLToPath(new URL('../../../runtime/', import.meta.url)) })

engineContract('docker', home => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs', 'debug', 'freeze', 'pool'],
    isolates: true,
    limitsMemory: true,
    make: async () => {
      const connection = await connectDocker(process.env)
      return new DockerEngine({
        ...connection,
        project,
        home,
        baseImage: { kind: 'assemble', nodePath: process.execPath },
        pool,
      })
    },
  }
})

function withPublishedPorts(home: string): EngineUnderTest {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs', 'debug', 'freeze'],
    isolates: true,
    limitsMemory: true,
    make: async () => {
      const connection = await connectDocker(process.env)
      return new DockerEngine({
        ...connection,
        reach: 'published',
        project,
        home,
        baseImage: { kind: 'assemble', nodePath: process.execPath },
      })
    },
  }
}

// Only the way to an instance is another one.
if (IS_WHOLE) engineContract('docker engine with published ports', withPublishedPorts)
else {
  describe('the docker engine with published ports', () => {
    let stage: EngineStage
    beforeAll(async () => {
      stage = await EngineStage.make(withPublishedPorts)
    })
    afterAll(() => stage.remove())

    test('an instance answers at a port of this machine', async () => {
      const instance = await stage.start()
      expect(await ask(instance, '/')).toBe('hello')
      expect(addressOf(instance).host).toBe('127.0.0.1')
    })
  })
}

engineContract('process', home => ({
  has: ['images', 'logs', 'debug', 'freeze', 'pool'],
  isolates: false,
  limitsMemory: true,
  make: async () =>
    new ProcessEngine({
      project: 'rfat',
      home,
      nodePath: process.execPath,
      baseEnv: { PATH: process.env['PATH'] ?? '' },
      note: '',
      pool,
    }),
}))

engineContract('thread', home => {
  const threads = new Threads()
  return { has: [], isolates: false, limitsMemory: false, make: async () => new ThreadEngine(home, threads) }
})
