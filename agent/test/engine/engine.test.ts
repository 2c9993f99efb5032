import { randomBytes } from 'node:crypto'
import { engineContract } from './engine-contract.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { DockerEngine } from '../../src/engines/docker/docker-engine.ts'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { ThreadEngine, Threads } from './thread-engine.ts'

engineContract('docker', home => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs', 'debug'],
    isolates: true,
    limitsMemory: true,
    make: async () => {
      const connection = await connectDocker(process.env)
      return new DockerEngine({
        ...connection,
        project,
        home,
        baseImage: { kind: 'assemble', nodePath: process.execPath },
      })
    },
  }
})

engineContract('docker engine with published ports', home => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs', 'debug'],
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
  has: ['images', 'logs', 'debug'],
  isolates: false,
  limitsMemory: true,
  make: async () =>
    new ProcessEngine({
      project: 'rfat',
      home,
      nodePath: process.execPath,
      baseEnv: { PATH: process.env['PATH'] ?? '' },
      note: '',
    }),
}))

engineContract('thread', home => {
  const threads = new Threads()
  return { has: [], isolates: false, limitsMemory: false, make: async () => new ThreadEngine(home, threads) }
})
