import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DockerService } from '../../docker/index.ts'
import { chooseEngine } from '../../engines/index.ts'
import { endParts } from '../end-by-force.ts'
import { findNode } from '../node-binary.ts'
import type { PlatformOptions } from '../options.ts'

/**
 * What an agent of this home ran while it led runs elsewhere now: its parts are ended, and its functions unless the agents
 * share them.
 * @returns the names of the parts
 */
export async function endLeft(
  home: string,
  context: { options: PlatformOptions; environment: NodeJS.ProcessEnv; runsOn: string | undefined },
): Promise<string[]> {
  const { options, environment, runsOn } = context
  const names = await endParts(home)
  const nodePath = await findNode(options.node)
  const docker = new DockerService(environment)
  const engine = await chooseEngine({ ...options, home, nodePath, environment, docker, runsOn })
  try {
    if (!engine.isShared) await engine.cleanUp(false)
  } finally {
    await engine.close()
  }
  return names
}

/** The routes from when an agent of this home led: others were published since. Parts that serve them must not run. */
export async function forgetRoutes(home: string): Promise<void> {
  const folder = join(home, 'run')
  const names = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('routes.json'))
  await Promise.all(names.map(name => rm(join(folder, name), { force: true })))
}
