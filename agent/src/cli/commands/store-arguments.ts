/** What an action of `store` is given on the command line. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Context } from '../context.ts'

export interface Asked {
  given: string[]
  args: Record<string, unknown>
  context: Context
}

/** At least these. */
export function needed<const Names extends readonly string[]>(
  given: string[],
  names: Names,
): { [K in keyof Names]: string } & (string | undefined)[] {
  const missing = names[given.length]
  if (missing === undefined) return given as never
  throw new RyoFaasError('INVALID_OPTION', `<${missing}> is missing`, {
    hint: 'ryo-faas store --help shows what there is.',
  })
}
