/** The keeper of a home, as its agent wrote it down when it started it. */
import { join } from 'node:path'
import { z } from 'zod'
import { isAlive, ProcessIdentity, readIfPresent } from '../host/index.ts'

const KeeperFile = z.object({ identity: ProcessIdentity })

/** It may have ended. @returns undefined if none was started */
export async function keeperOf(home: string): Promise<ProcessIdentity | undefined> {
  const text = await readIfPresent(join(home, 'run', 'keeper.json'))
  return text === undefined ? undefined : KeeperFile.parse(JSON.parse(text)).identity
}

/** Whether an agent of this home that is away is being started again. */
export async function isKept(home: string): Promise<boolean> {
  const keeper = await keeperOf(home)
  return keeper !== undefined && (await isAlive(keeper))
}
