/**
 * The public keys of an issuer of JWTs, fetched from the URL that deploy.json names.
 *
 * Invariants: 1. Link-local and metadata addresses are never asked, other local ones only because the URL names them. 2. A
 * fetch takes at most `FETCH_MS` and `LARGEST_BYTES`, and follows no redirect. 3. Keys are asked for again after ten
 * minutes, or at a token whose `kid` is unknown, but at most every `COOLDOWN_MS`, whatever callers send. 4. While the
 * issuer is not responding, its last keys hold for a day.
 */
import type { IncomingMessage } from 'node:http'
import type { createRemoteJWKSet } from 'jose'
import { CallbackRule, guardedLookup } from '../../../calls/index.ts'

const FETCH_MS = 5_000
const LARGEST_BYTES = 1024 * 1024
const FRESH_MS = 600_000
const COOLDOWN_MS = 10_000
const KEPT_MS = 86_400_000

export type KeySet = ReturnType<typeof createRemoteJWKSet>

export interface KeySetOptions {
  cooldownMs?: number
  freshMs?: number
  /** Told why the keys could not be fetched. */
  report?: (problem: string) => void
}

export async function openKeySet(
  url: string,
  { cooldownMs = COOLDOWN_MS, freshMs = FRESH_MS, report }: KeySetOptions = {},
): Promise<KeySet> {
  const { createRemoteJWKSet, customFetch } = await import('jose')
  let last: { text: string; at: number } | undefined
  let failure: { error: Error; at: number } | undefined
  const fetchKeys = async (signal: AbortSignal): Promise<void> => {
    if (failure !== undefined && performance.now() - failure.at < cooldownMs) throw failure.error
    try {
      last = { text: await fetchText(url, signal), at: performance.now() }
      failure = undefined
    } catch (error) {
      failure = { error: error as Error, at: performance.now() }
      report?.(`the keys of callers' tokens could not be fetched: ${failure.error.message}`)
      throw error
    }
  }
  return createRemoteJWKSet(new URL(url), {
    cooldownDuration: cooldownMs,
    cacheMaxAge: freshMs,
    timeoutDuration: FETCH_MS,
    [customFetch]: async (_url: string, { signal }: { signal: AbortSignal }) => {
      try {
        await fetchKeys(signal)
      } catch (error) {
        if (last === undefined || performance.now() - last.at > KEPT_MS) throw error
      }
      return new Response(last!.text)
    },
  })
}

/** @throws if it cannot be fetched; the message says why */
async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const { hostname, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  // The URL is the operator's own: it may name a host of this machine or of a private network.
  const rule = new CallbackRule([host])
  const problem = rule.urlProblem(url)
  if (problem !== undefined) throw new Error(`the address of the keys ${problem}`)
  const { request } = await (protocol === 'https:' ? import('node:https') : import('node:http'))
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { agent: false, signal, lookup: guardedLookup(rule), headers: { accept: 'application/json' } }
    request(url, options, resolve).on('error', reject).end()
  })
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`)
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > LARGEST_BYTES) throw new Error(`${url} has more than ${LARGEST_BYTES} bytes`)
      pieces.push(piece)
    }
  } finally {
    response.destroy()
  }
  return Buffer.concat(pieces).toString()
}
