/**
 * Secrets of the platform itself, in files of the home with mode 0600. What opens doors is made at every start, so that
 * a token that leaked is good for one life of the platform; an agent that takes over a running platform keeps it, since
 * parts and functions hold it. Those who check signatures elsewhere need theirs to stay.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { AccessKeys } from '../access/index.ts'
import { homePaths } from '../client/index.ts'
import { readIfPresent, writeDurably } from '../host/index.ts'

export interface EnsuredSecrets {
  /** `operator` is what programs on this machine show; `part` is what the proxy knows the dispatcher by. */
  keys: AccessKeys
  /** Signs callbacks (Standard Webhooks). */
  callbackSecret: string
}

/** @param options.keep the keys are in use: by a platform that runs */
export async function ensureSecrets(home: string, { keep }: { keep: boolean }): Promise<EnsuredSecrets> {
  const key = () => randomBytes(32).toString('base64url')
  const [operator, part, functions, callbackSecret] = await Promise.all([
    ensure(homePaths(home).token, { keep, make: key }),
    ensure(join(home, 'dispatch-token'), { keep, make: key }),
    ensure(join(home, 'functions-key'), { keep, make: key }),
    ensure(homePaths(home).callbackSecret, {
      keep: true,
      make: () => `whsec_${randomBytes(32).toString('base64')}`,
    }),
  ])
  return { keys: { operator, part, functions }, callbackSecret }
}

async function ensure(path: string, { keep, make }: { keep: boolean; make: () => string }): Promise<string> {
  const existing = keep ? (await readIfPresent(path))?.trim() : undefined
  if (existing) return existing
  const made = make()
  await writeDurably(path, made)
  return made
}
