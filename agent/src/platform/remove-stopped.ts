/** Removes what a stopped platform left behind, for the command line: its images and its data. */
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { DockerService } from '../docker/index.ts'
import { chooseEngine } from '../engines/index.ts'
import { belongsToOthers } from './end-by-force.ts'
import { removeData } from './home-data.ts'
import { acquireProcessLock, readIfPresent } from '../host/index.ts'
import { findNode } from './node-binary.ts'
import { PlatformOptions } from './options.ts'
import { givenAccess, removeGivenStreams } from './parts/given-nats.ts'
import { StateStore } from '../deployments/state/index.ts'

/**
 * @returns false if there is nothing, or an agent has just started there
 * @throws RyoFaasError DOCKER_UNREACHABLE, BAD_NATS
 */
export async function removeStopped(home: string, environment: NodeJS.ProcessEnv): Promise<boolean> {
  const paths = homePaths(home)
  // With the options it had: otherwise its resources would not be found.
  const saved = await readIfPresent(paths.stoppedOptions)
  if (saved === undefined) return false
  const lock = await acquireProcessLock(paths.lock)
  if (lock.kind === 'held') return false
  try {
    const options = PlatformOptions.parse(JSON.parse(saved))
    const { current } = await StateStore.open(join(home, 'state.json'))
    const nodePath = await findNode(options.node)
    const docker = new DockerService(environment)
    const engine = await chooseEngine({ ...options, home, nodePath, environment, docker, runsOn: current.engine })
    try {
      if (!belongsToOthers(engine, options)) await engine.cleanUp(true)
      // Other agents may have them.
      const hasOwn = options.natsUrl !== 'own' && options.clusterKey === 'none'
      if (hasOwn) await removeGivenStreams(await givenAccess(options))
    } finally {
      await engine.close()
    }
    await removeData(home)
    return true
  } finally {
    await lock.release()
  }
}
