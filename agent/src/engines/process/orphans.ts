/**
 * Instances that nobody knows of: their agent was killed between their start and their record. Found by what every
 * instance is given, its id in the environment and a folder of this home to run in. Only on Linux, which shows both.
 */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ENV } from '@ryo-faas/runtime/protocol'
import { endGroup } from '../../host/index.ts'

const ID = new RegExp(`(?:^|\\0)${ENV.instance}=([^\\0]+)`)

/** @param isKnown whether there is a record of an instance with this id */
export async function endOrphans(home: string, isKnown: (id: string) => boolean): Promise<void> {
  if (process.platform !== 'linux') return
  const folder = await realpath(home).catch(() => undefined)
  if (folder === undefined) return
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  await Promise.all(
    pids.map(async pid => {
      const id = await instanceIn(folder, pid)
      // An instance leads its group; what it has started itself ends with it.
      if (id !== undefined && !isKnown(id)) endGroup(Number(pid))
    }),
  )
}

/** Of this home; undefined also for what is another user's, or has ended meanwhile. */
async function instanceIn(home: string, pid: string): Promise<string | undefined> {
  try {
    const folder = await readlink(join('/proc', pid, 'cwd'))
    if (!folder.startsWith(home + sep)) return undefined
    return ID.exec(await readFile(join('/proc', pid, 'environ'), 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
