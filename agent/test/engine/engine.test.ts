import { randomBytes } from 'node:crypto'
import { engineContract } from './engine-contract.ts'
import { connectDocker, DockerEngine, ProcessEngine } from '../../src/engines/index.ts'

engineContract('docker', home => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    isolates: true,
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
    isolates: true,
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
  isolates: false,
  make: async () =>
    new ProcessEngine({
      project: 'rfat',
      home,
      nodePath: process.execPath,
      baseEnv: { PATH: process.env['PATH'] ?? '' },
      note: 'no isolation',
    }),
}))
