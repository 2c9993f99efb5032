import { createInterface } from 'node:readline/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { Context } from './context.ts'

/** Shared by the commands that ask. */
export const YES = { type: 'boolean', alias: 'y', default: false, describe: 'Skip the confirmation' } as const

/**
 * Asks before something is destroyed.
 * @param isSure `--yes` was given
 * @throws RyoFaasError CANCELLED; INVALID_OPTION if there is no terminal to ask on
 */
export async function confirm(question: string, isSure: boolean, context: Context): Promise<void> {
  const { stdin, output, signal } = context
  if (isSure) return
  if (!stdin.isTTY || output.json) {
    throw new RyoFaasError('INVALID_OPTION', `${question} This is not a terminal, so it cannot ask`, {
      hint: 'Add --yes to confirm.',
    })
  }
  const prompt = createInterface({ input: stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`${question} [y/N] `, { signal })
    if (!/^y(es)?$/i.test(answer.trim())) throw new RyoFaasError('CANCELLED', 'nothing was changed')
  } catch (error) {
    throw signal.aborted ? new RyoFaasError('CANCELLED', 'nothing was changed', { cause: error }) : error
  } finally {
    prompt.close()
  }
}
