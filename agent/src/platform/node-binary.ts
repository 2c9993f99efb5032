/** The Node that parts and functions run on: Node 24 boots in half the time Node 20 takes. */
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { RyoFaasError } from '../contract/index.ts'

const WANTED_MAJOR = 24

/** `auto`: the binary that a checkout brings, the one that was fetched if ours is older, else our own. */
export async function findNode(choice: string, fetched?: string): Promise<string> {
  if (choice !== 'auto') {
    await access(choice, constants.X_OK).catch((error: unknown) => {
      throw new RyoFaasError('INVALID_OPTION', `--node ${choice} is not an executable file`, { cause: error })
    })
    return choice
  }
  try {
    return createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`)
  } catch {
    return (isOld() ? fetched : undefined) ?? process.execPath
  }
}

/** Whether a newer Node than the one that runs this is worth having. */
export function isOld(version = process.versions.node): boolean {
  return Number(version.split('.')[0]) < WANTED_MAJOR
}
