/**
 * Tokens of people and programs at the agent: `<home>/tokens.json`, mode 0600.
 *
 * Invariants: 1. A token is told once, to the one who creates it; its hash is kept. 2. When `revoke` resolves, the token
 * opens nothing. 3. The last use is written down every minute and whenever tokens are listed: an agent that dies takes at
 * most a minute of it along. 4. A file that cannot be read is not taken for an empty one.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { createAccessToken, findIssued, hashOf, isAccessToken, isSameSecret } from '../access/index.ts'
import { dashboardKey } from '../client/index.ts'
import { RyoFaasError, TokenView, type Role } from '../contract/index.ts'
import { KeyedQueue, readIfPresent, writeDurably } from '../host/index.ts'

const NOTE_MS = 60_000
const WHAT = { what: 'token', missing: 'TOKEN_NOT_FOUND', listedBy: 'ryo-faas token list' } as const

const Kept = TokenView.extend({ hash: z.string().min(1) })
type Kept = z.infer<typeof Kept>
const File = z.object({ format: z.literal(1), tokens: z.array(Kept) })

export interface NewToken {
  name: string
  can: Role
  for?: string[] | undefined
  expiresAt?: string | undefined
}

/** Where tokens are kept for the agent that leads after this one. */
export interface TokenReplica {
  /** @param text of the file @throws if it was not kept, or that is not known */
  write(text: string): Promise<void>
}

export class TokenStore {
  readonly #path: string
  #replica: TokenReplica | undefined
  readonly #queue = new KeyedQueue()
  readonly #uses = new Map<string, string>()
  readonly #timer: NodeJS.Timeout
  #tokens: readonly Kept[]

  private constructor(path: string, tokens: readonly Kept[]) {
    this.#path = path
    this.#tokens = tokens
    this.#timer = setInterval(() => void this.#note().catch(() => undefined), NOTE_MS).unref()
  }

  /** @throws RyoFaasError HOME_UNUSABLE */
  static async open(home: string): Promise<TokenStore> {
    const path = join(home, 'tokens.json')
    return new TokenStore(path, tokensIn(await readIfPresent(path), path))
  }

  /** From here on every change goes there first. */
  replicate(replica: TokenReplica): void {
    this.#replica = replica
  }

  /** As in the file. */
  get text(): string {
    return textOf(this.#tokens)
  }

  /** These and no others, as another agent had them. @throws RyoFaasError HOME_UNUSABLE */
  take(text: string): Promise<void> {
    return this.#queue.run(this.#path, async () => {
      const tokens = tokensIn(text, 'what another agent wrote')
      await writeDurably(this.#path, textOf(tokens))
      this.#tokens = tokens
    })
  }

  async list(): Promise<TokenView[]> {
    await this.#note()
    return this.#tokens.map(viewOf)
  }

  async create({ name, can, for: patterns, expiresAt }: NewToken): Promise<{ token: string; view: TokenView }> {
    const { key, id, hash } = createAccessToken()
    const kept: Kept = {
      ...{ id, name, can, hash, createdAt: new Date().toISOString() },
      ...(patterns !== undefined && { for: patterns }),
      ...(expiresAt !== undefined && { expiresAt }),
    }
    await this.#change(tokens => [...tokens, kept])
    return { token: key, view: viewOf(kept) }
  }

  /** @throws RyoFaasError TOKEN_NOT_FOUND */
  async revoke(idOrName: string): Promise<TokenView> {
    const { id } = findIssued(idOrName, this.#tokens, WHAT)
    const view = viewOf(this.#latest(this.#tokens.find(token => token.id === id)!))
    await this.#change(tokens => tokens.filter(token => token.id !== id))
    return view
  }

  /** @throws RyoFaasError UNAUTHORIZED if it has expired, was revoked, or never was one */
  identify(token: string, now = Date.now()): TokenView {
    const hash = isAccessToken(token) ? hashOf(token) : undefined
    const found = this.#tokens.find(kept => kept.hash === hash)
    if (found === undefined) {
      throw new RyoFaasError('UNAUTHORIZED', 'this token is not valid here: it was revoked, or is of another server', {
        hint: 'Ask for a new one, made there with: ryo-faas token create NAME',
      })
    }
    if (found.expiresAt !== undefined && Date.parse(found.expiresAt) <= now) {
      throw new RyoFaasError('UNAUTHORIZED', `the token ${found.name} (${found.id}) expired at ${found.expiresAt}`, {
        hint: 'Ask for a new one, made there with: ryo-faas token create NAME',
      })
    }
    this.#uses.set(found.id, new Date(now).toISOString())
    return viewOf(found)
  }

  /** Whose dashboard has this key; undefined if it is nobody's, or the token has expired. */
  ownerOfKey(key: string, now = Date.now()): TokenView | undefined {
    const found = this.#tokens.find(({ hash }) => isSameSecret(key, dashboardKey(hash)))
    if (found === undefined || (found.expiresAt !== undefined && Date.parse(found.expiresAt) <= now)) return undefined
    return viewOf(found)
  }

  /** For the proof that we know the token. */
  hashOfToken(id: string): string | undefined {
    return this.#tokens.find(token => token.id === id)?.hash
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#note().catch(() => undefined)
  }

  async #note(): Promise<void> {
    if (this.#tokens.some(token => this.#latest(token).usedAt !== token.usedAt)) await this.#change(tokens => tokens)
  }

  #latest(token: Kept): Kept {
    const usedAt = this.#uses.get(token.id) ?? token.usedAt
    return usedAt === undefined ? token : { ...token, usedAt }
  }

  /** In memory it holds once it is on disk; what is used meanwhile is noted the next time. */
  #change(make: (tokens: readonly Kept[]) => readonly Kept[]): Promise<void> {
    return this.#queue.run(this.#path, async () => {
      const tokens = make(this.#tokens).map(token => this.#latest(token))
      await this.#replica?.write(textOf(tokens))
      await writeDurably(this.#path, textOf(tokens))
      this.#tokens = tokens
    })
  }
}

function viewOf({ hash: _, ...view }: Kept): TokenView {
  return view
}

function textOf(tokens: readonly Kept[]): string {
  return JSON.stringify({ format: 1, tokens }, null, 2)
}

function tokensIn(text: string | undefined, place: string): readonly Kept[] {
  if (text === undefined) return []
  try {
    return File.parse(JSON.parse(text)).tokens
  } catch (error) {
    throw new RyoFaasError('HOME_UNUSABLE', `${place} cannot be read`, {
      hint: 'Remove it and create new tokens, or take it from a backup.',
      cause: error,
    })
  }
}
