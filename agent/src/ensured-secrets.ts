/** Secrets of the platform itself: made once per home, files with mode 0600. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { homePaths } from './client/index.ts'
import { readIfPresent, writeDurably } from './host/index.ts'

export interface EnsuredSecrets {
  /** What programs on this machine show the agent. */
  token: string
  /** What the proxy knows the dispatcher by. */
  dispatchToken: string
  /** Signs callbacks (Standard Webhooks). */
  callbackSecret: string
}

export async function ensureSecrets(home: string): Promise<EnsuredSecrets> {
  const [token, dispatchToken, callbackSecret] = await Promise.all([
    ensure(homePaths(home).token, () => randomBytes(32).toString('base64url')),
    ensure(join(home, 'dispatch-token'), () => randomBytes(32).toString('base64url')),
    ensure(homePaths(home).callbackSecret, () => `whsec_${randomBytes(32).toString('base64')}`),
  ])
  return { token, dispatchToken, callbackSecret }
}

async function ensure(path: string, make: () => string): Promise<string> {
  const existing = (await readIfPresent(path))?.trim()
  if (existing) return existing
  const made = make()
  await writeDurably(path, made)
  return made
}
