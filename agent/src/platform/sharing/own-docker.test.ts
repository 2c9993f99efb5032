import { expect, test } from 'vitest'
import { ownDocker } from './own-docker.ts'

const environment = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }

test('an agent that runs functions without Docker, or on a swarm, shares none', async () => {
  for (const engine of ['process', 'swarm'] as const) {
    expect(await ownDocker({ engine }, { environment, runsOn: 'docker' })).toBeUndefined()
  }
  expect(await ownDocker({ engine: 'auto' }, { environment, runsOn: 'process' })).toBeUndefined()
})
