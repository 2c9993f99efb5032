/**
 * Keys with which callers call functions that want one.
 *
 * Invariants: 1. A key is told once, to the one who creates it; its hash is kept. 2. When `revoke` resolves, no proxy takes
 * the key, except those that it names as not reached. 3. The last use is known from the proxies; it is written down every minute and whenever keys are listed, so
 * that a proxy that dies takes at most a minute of it along.
 */
import { routeOf } from '@ryo-faas/runtime/protocol'
import { createCallerKey, findIssued } from '../access/index.ts'
import { RyoFaasError, type KeyView } from '../contract/index.ts'
import { deploymentIn, type CallerKeyRecord, type StateStore } from './state/index.ts'

const NOTE_MS = 60_000
const WHAT = { what: 'key', missing: 'KEY_NOT_FOUND', listedBy: 'ryo-faas keys list' } as const

export interface CallerKeysOptions {
  state: StateStore
  /** Brings the keys to all proxies; resolves when they have them. */
  publish: () => Promise<void>
  /** Proxies that may not have what was published last, as people know them. */
  notReached?: () => string[]
  /** Of all proxies: last use by id, in milliseconds since 1970. */
  uses: () => Promise<Record<string, number>>
}

export class CallerKeys {
  readonly #options: CallerKeysOptions
  readonly #timer: NodeJS.Timeout

  constructor(options: CallerKeysOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#note().catch(() => undefined), NOTE_MS).unref()
  }

  async list(): Promise<KeyView[]> {
    await this.#note()
    return this.#records().map(viewOf)
  }

  /** @throws RyoFaasError DEPLOYMENT_NOT_FOUND if one of its functions is not deployed */
  async create({
    name,
    functions,
    events,
    expiresAt,
  }: {
    name: string
    functions?: string[] | undefined
    events?: true | undefined
    expiresAt?: string | undefined
  }) {
    const { state, publish } = this.#options
    const routes = functions?.map(routeOf)
    for (const route of routes ?? []) {
      if (deploymentIn(state.current, route) !== undefined) continue
      throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment is named "${route}"`, {
        hint: 'Deploy the function first, or leave out --only: then the key opens all functions that take keys.',
      })
    }
    const { key, id, hash } = createCallerKey()
    const record: CallerKeyRecord = {
      ...{ id, name, hash, createdAt: new Date().toISOString() },
      ...(routes !== undefined && { functions: routes }),
      ...(events && { events }),
      ...(expiresAt !== undefined && { expiresAt }),
    }
    await state.update(next => void (next.keys[id] = record))
    await publish()
    return { key, view: viewOf(record) }
  }

  /** @throws RyoFaasError KEY_NOT_FOUND */
  async revoke(idOrName: string): Promise<KeyView & { notReached?: string[] }> {
    const { state, publish, notReached } = this.#options
    const record = findIssued(idOrName, this.#records(), WHAT)
    await this.#note().catch(() => undefined) // The last use of a key that is going.
    await state.update(next => void delete next.keys[record.id])
    await publish()
    const late = notReached?.() ?? []
    return { ...viewOf(record), ...(late.length > 0 && { notReached: late }) }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #records(): CallerKeyRecord[] {
    return Object.values(this.#options.state.current.keys)
  }

  /** Writes down what the proxies know of uses; writes nothing if that is known. */
  async #note(): Promise<void> {
    const { state, uses } = this.#options
    const all = this.#records()
    if (all.length === 0) return
    const used: Record<string, number> = await uses().catch(() => ({})) // The proxy is down.
    const isNewer = ({ id, usedAt }: CallerKeyRecord) =>
      (used[id] ?? 0) > (usedAt === undefined ? 0 : Date.parse(usedAt))
    if (!all.some(isNewer)) return
    await state.update(({ keys }) => {
      for (const record of Object.values(keys)) {
        if (isNewer(record)) record.usedAt = new Date(used[record.id] ?? 0).toISOString()
      }
    })
  }
}

function viewOf({ hash: _, ...view }: CallerKeyRecord): KeyView {
  return view
}
