/**
 * Answers to the challenges of a certificate authority, as files that every process of the front finds: `TOKEN` for HTTP-01
 * (RFC 8555 §8.3), `DOMAIN.pem` for TLS-ALPN-01 (RFC 8737).
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Domain } from '../contract/index.ts'
import { writeAtomically } from '../host/index.ts'

export type ChallengeKind = 'http-01' | 'tls-alpn-01'

export interface ChallengeAnswer {
  kind: ChallengeKind
  token: string
  domain: string
  content: string
}

/** Longer than any authority takes to look. */
const KEPT_MS = 24 * 3600_000

/** What the token of a challenge consists of (RFC 8555 §8.1). */
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/

/** Shows the answer while `look` runs. @throws what that throws */
export async function withAnswer<T>(folder: string, answer: ChallengeAnswer, look: () => Promise<T>): Promise<T> {
  const { kind, token, domain, content } = answer
  // Both become the name of a file.
  if (!TOKEN.test(token)) throw new Error('the authority sent a token that is none')
  if (!Domain.safeParse(domain).success) throw new Error('the authority sent the name of a host that is none')
  const file = join(folder, kind === 'http-01' ? token : `${domain}.pem`)
  await writeAtomically(file, content)
  try {
    return await look()
  } finally {
    await rm(file, { force: true })
  }
}

/** Removes what processes left that were killed; an authority may still be looking at newer ones. */
export async function removeOldAnswers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const file = join(folder, name)
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > KEPT_MS) await rm(file, { force: true })
  }
}
