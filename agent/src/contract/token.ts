/** Tokens of people and programs at the agent: what each may do, and to which functions. */
import { z } from 'zod'

/** Each may do what the ones before it may: look; change functions, secrets and keys; everything. */
export const ROLES = ['read', 'deploy', 'admin'] as const
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>

/**
 * What a caller needs for a route. Which functions his token is for matters like this: `named`, the one in the path must
 * be one of them; `filtered`, the handler shows and changes these alone; `all`, a token for some functions is refused.
 */
export interface Need {
  role: Role
  scope: 'named' | 'filtered' | 'all'
}

export const NamePattern = z
  .string()
  .regex(/^[A-Za-z0-9_*-]{1,100}$/, 'must be a name of a function, in which * stands for any text')

/** Times in ISO format. */
export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  can: Role,
  for: z.array(z.string()).optional().describe('Names of functions, * for any text; absent: all'),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  usedAt: z.string().optional().describe('Last use, to the minute if the agent was restarted since'),
})
export type TokenView = z.infer<typeof TokenView>

/** Who asks the agent for something. */
export type Grant = { kind: 'operator'; can: 'admin' } | { kind: 'token'; can: Role; token: TokenView }

export function mayDo(can: Role, needed: Role): boolean {
  return ROLES.indexOf(can) >= ROLES.indexOf(needed)
}

/** @param patterns of a token; undefined: it is for all @param name of a function, in any case of letters */
export function isFor(patterns: readonly string[] | undefined, name: string): boolean {
  if (patterns === undefined) return true
  return patterns.some(pattern => new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 'i').test(name))
}
