/** Images in a registry of the user's, and machines that fetch them there. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Registry } from '../../src/engines/oci/registry.ts'
import { SwarmEngine } from '../../src/engines/swarm/swarm-engine.ts'
import { ask, EngineStage } from '../engine/engine-stage.ts'
import { startRegistry, type TestRegistry } from '../support/docker-registry.ts'
import { Machines } from '../support/machines.ts'

let machines: Machines
let registry: TestRegistry
let stage: EngineStage
const project = `rfat${randomBytes(4).toString('hex')}`

function engineFor(home: string, environment: NodeJS.ProcessEnv): SwarmEngine {
  return new SwarmEngine({
    ...{ docker: machines.all[0]!.docker, note: '', project, home },
    sourceOf: async () => ({ kind: 'assemble', nodePath: process.execPath }),
    registry: new Registry({ address: `http://${registry.address}/team/functions`, environment }),
  })
}

beforeAll(async () => {
  machines = await Machines.start(2)
  await machines.makeSwarm()
  registry = await startRegistry(machines.gateway)
  stage = await EngineStage.make(home => ({
    ...{ has: ['images', 'logs'], isolates: true, limitsMemory: true },
    make: async () => engineFor(home, { DOCKER_CONFIG: registry.loggedIn }),
  }))
})
afterAll(async () => {
  await stage?.remove()
  await registry?.stop()
  await machines.stop()
})

test('a machine fetches the image from the registry, with the password of the user', async () => {
  const instance = await stage.start({ nodes: 'node.role==worker' })
  expect(await ask(instance, '/')).toBe('hello')
  const images = await machines.all[1]!.docker.listImages()
  expect(images.flatMap(({ RepoDigests }) => RepoDigests ?? [])).toEqual([
    expect.stringMatching(`^${registry.address}/team/functions/${project}@sha256:`),
  ])
})

test('without a password the build fails and says what to do', async () => {
  const stranger = engineFor(stage.home, { DOCKER_CONFIG: '/nowhere' })
  const build = stranger.images.build(await stage.package('stranger'), AbortSignal.timeout(30_000))
  await expect(build).rejects.toMatchObject({
    ...{
      code: 'REGISTRY_FAILED',
      message: expect.stringMatching(/answered 401/),
      hint: expect.stringMatching(/docker login/),
    },
  })
  await stranger.close()
})
