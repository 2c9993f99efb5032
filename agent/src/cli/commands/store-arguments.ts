/** What an action of `store` receives from the command line. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Context } from '../context.ts'

export interface Asked {
  given: string[]
  args: Record<string, unknown>
  context: Context
}

/** @throws RyoFaasError INVALID_OPTION if fewer than `names` are given */
export function needed<const Names extends readonly string[]>(
  given: string[],
  names: Names,
): { [K in keyof Names]: string } & (string | undefined)[] {
  const missing = names[given.length]
  if (missing === undefined) return given as never
  throw new RyoFaasError('INVALID_OPTION', `<${missing}> is missing`, {
    hint: 'ryo-faas store --help lists the actions.',
  })
}
