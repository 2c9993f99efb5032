import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { engineContract } from './engine-contract.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { DockerEngine } from '../../src/engines/docker/docker-engine.ts'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { poolSizeOf } from '../../src/engines/pool/pool-size.ts'
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

engineContract('docker engine with published ports', home => {
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
})

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
