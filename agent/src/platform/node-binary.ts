/** The Node that parts and functions run on: Node 24 boots in half the time Node 20 takes. */
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { RyoFaasError } from '../contract/index.ts'

/** `auto`: the binary installed with us as an optional dependency, else our own. */
export async function findNode(choice: string): Promise<string> {
  if (choice !== 'auto') {
    await access(choice, constants.X_OK).catch((error: unknown) => {
      throw new RyoFaasError('INVALID_OPTION', `--node ${choice} is not an executable file`, { cause: error })
    })
    return choice
  }
  try {
    return createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`)
  } catch {
    return process.execPath // Not installed: use ours.
  }
}
