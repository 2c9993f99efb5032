import { createInterface } from 'node:readline/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { Context } from './context.ts'

/** Asks on a terminal; elsewhere nobody can answer, so it goes on (scripts say what they mean). */
export async function confirm(question: string, { stdin, output, signal }: Context): Promise<void> {
  if (!stdin.isTTY || output.json) return
  const prompt = createInterface({ input: stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`${question} [y/N] `, { signal })
    if (!/^y(es)?$/i.test(answer.trim())) throw new RyoFaasError('CANCELLED', 'nothing was changed')
  } finally {
    prompt.close()
  }
}
