/**
 * The platform's own secrets, in files of the home with mode 0600. Tokens are made anew at every start, so that a
 * leaked one is valid only until the platform stops; an agent that takes over a running platform keeps them, since
 * parts and functions hold them. The callback secret stays: receivers elsewhere check signatures with it; and so does the
 * key of proxies on other machines.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { AccessKeys } from '../access/index.ts'
import { homePaths } from '../client/index.ts'
import { readIfPresent, writeDurably } from '../host/index.ts'

export interface EnsuredSecrets {
  /** `operator`: shown by programs on this machine; `part`: identifies the dispatcher to the proxy. */
  keys: AccessKeys
  /** Signs callbacks (Standard Webhooks). */
  callbackSecret: string
  /** With it proxies on other machines prove that they are ours; what they are told is sealed with it. */
  proxyKey: string
}

/** @param options.keep a running platform uses the keys */
export async function ensureSecrets(home: string, { keep }: { keep: boolean }): Promise<EnsuredSecrets> {
  const key = () => randomBytes(32).toString('base64url')
  const [operator, part, functions, callbackSecret, proxyKey] = await Promise.all([
    ensure(homePaths(home).token, { keep, make: key }),
    ensure(join(home, 'dispatch-token'), { keep, make: key }),
    ensure(join(home, 'functions-key'), { keep, make: key }),
    ensure(homePaths(home).callbackSecret, {
      keep: true,
      make: () => `whsec_${randomBytes(32).toString('base64')}`,
    }),
    ensure(homePaths(home).proxyKey, { keep: true, make: key }),
  ])
  return { keys: { operator, part, functions }, callbackSecret, proxyKey }
}

/** Those that the agents of a platform share. */
export async function takeSecrets(home: string, shared: EnsuredSecrets): Promise<EnsuredSecrets> {
  const { keys, callbackSecret, proxyKey } = shared
  const { operator, part, functions } = keys
  await Promise.all([
    ensureIs(homePaths(home).token, operator),
    ensureIs(join(home, 'dispatch-token'), part),
    ensureIs(join(home, 'functions-key'), functions),
    ensureIs(homePaths(home).callbackSecret, callbackSecret),
    ensureIs(homePaths(home).proxyKey, proxyKey),
  ])
  return { keys, callbackSecret, proxyKey }
}

async function ensureIs(path: string, value: string): Promise<void> {
  if ((await readIfPresent(path))?.trim() !== value) await writeDurably(path, value)
}

async function ensure(path: string, { keep, make }: { keep: boolean; make: () => string }): Promise<string> {
  const existing = keep ? (await readIfPresent(path))?.trim() : undefined
  if (existing) return existing
  const made = make()
  await writeDurably(path, made)
  return made
}
