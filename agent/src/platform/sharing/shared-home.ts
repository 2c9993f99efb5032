/**
 * A home whose contents other agents share. Invariants: 1. While this agent leads, every change of state, secrets and tokens
 * is on the bus before it is on the disk, and the folder of a version before the state that names it. 2. While another one
 * leads, nothing of the home changes but the folders of its versions, which are fetched ahead. 3. Changes come one after
 * another.
 */
import { isDeepStrictEqual } from 'node:util'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { BusError } from '../../bus/index.ts'
import type { Contents, SharedFolders, SharedRecord } from '../../cluster/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { KeyedQueue } from '../../host/index.ts'
import type { SecretStore } from '../../secrets/index.ts'
import type { Home } from '../launch.ts'
import { activeFolders, firstShared, foldersOf, localState, readShared, sharedState, type Shared } from './shared.ts'

export interface SharedHomeOptions {
  home: Home
  secrets: SecretStore
  record: SharedRecord
  contents: Contents
  folders: SharedFolders
  log: FastifyBaseLogger
}

const CHANGING = 'changing'

export class SharedHome {
  readonly #options: SharedHomeOptions
  readonly #queue = new KeyedQueue()
  #shared: Shared | undefined
  /** Revision of the record whose folders are here. */
  #fetched = 0
  /** Of versions that do not serve: they are waited for by nobody. */
  #fetching: Promise<void> = Promise.resolve()

  constructor(options: SharedHomeOptions) {
    this.#options = options
  }

  /**
   * What the agents share; what this home has, if it is the first.
   * @throws BusError; RyoFaasError CLUSTER_KEY_WRONG, HOME_UNUSABLE
   */
  async join(): Promise<Shared> {
    const { home, secrets, record } = this.#options
    const { keys, callbackSecret, proxyKey } = home.secrets
    const found = await record.read()
    if (found !== undefined) return readShared(found.value)
    const state = sharedState(home.state.current, home.folder)
    const own = firstShared({
      keys,
      callbackSecret,
      proxyKey,
      state,
      secrets: await secrets.all(),
      tokens: home.tokens.text,
    })
    const folders = await this.#put(own, {})
    return readShared((await record.begin({ ...own, folders })).value)
  }

  /**
   * Makes the home what the last leader's was, and shares every change from here on.
   * @throws BusError; RyoFaasError LEADER_LOST
   */
  async takeOver(epoch: number): Promise<void> {
    const { home, secrets, record } = this.#options
    const shared = readShared(await record.claim(epoch))
    this.#shared = shared
    const { state, tokens, folder } = home
    await state.update(next => {
      const local = localState(shared.state, { home: folder, ports: next.ports })
      for (const key of Object.keys(next)) delete (next as Record<string, unknown>)[key]
      Object.assign(next, local)
    })
    await secrets.take(shared.secrets)
    await tokens.take(shared.tokens)
    // A function whose code cannot be fetched must not keep the others from being started.
    await this.#fetch(shared, activeFolders(shared.state))
    state.replicate({
      write: async next => {
        const mine = sharedState(next, folder)
        if (this.#shared !== undefined && isDeepStrictEqual(mine, this.#shared.state)) return
        await this.#change(current => ({ ...current, state: mine }))
      },
    })
    secrets.replicate({
      set: (name, secret) =>
        this.#change(({ secrets: { [name]: _, ...others }, ...current }) => ({
          ...current,
          secrets: secret === undefined ? others : { ...others, [name]: secret },
        })),
    })
    tokens.replicate({ write: text => this.#change(current => ({ ...current, tokens: text })) })
    this.#fetching = this.#fetch(shared, foldersOf(shared.state))
  }

  /** Resolves when nothing is being fetched any more. */
  async close(): Promise<void> {
    await this.#fetching
  }

  /** Fetches what this agent would need if it led. @throws BusError */
  async follow(): Promise<void> {
    const { record, home } = this.#options
    if ((await record.revision()) === this.#fetched) return
    const found = await record.read()
    if (found === undefined) return
    const { folders, state } = readShared(found.value)
    await this.#fetch({ folders }, foldersOf(state))
    await removeOthers(home.folder, new Set(foldersOf(state)))
    this.#fetched = found.revision
  }

  /** Removes contents of versions that are gone. @throws BusError */
  collect(): Promise<void> {
    return this.#queue.run(CHANGING, async () => {
      const { contents, folders } = this.#options
      if (this.#shared === undefined) return
      const needed = await Promise.all(Object.values(this.#shared.folders).map(each => folders.digestsOf(each)))
      await contents.keepOnly(new Set(needed.flat()))
    })
  }

  /** @throws RyoFaasError LEADER_LOST, NATS_UNAVAILABLE */
  #change(change: (current: Shared) => Shared): Promise<void> {
    return this.#queue.run(CHANGING, async () => {
      const before = this.#shared!
      try {
        const changed = change(before)
        const next = { ...changed, folders: await this.#put(changed, before.folders) }
        await this.#options.record.write(next)
        this.#shared = next
      } catch (error) {
        if (!(error instanceof BusError)) throw error
        throw new RyoFaasError('NATS_UNAVAILABLE', `the other agents cannot be told: ${error.message}`, {
          hint: 'Nothing was changed. Try again when NATS responds.',
          cause: error,
        })
      }
    })
  }

  /** Brings folders that are not known yet to the bus. @returns those of the state */
  async #put({ state }: Pick<Shared, 'state'>, known: Shared['folders']): Promise<Shared['folders']> {
    const { folders, home } = this.#options
    const all: Shared['folders'] = {}
    for (const folder of foldersOf(state)) all[folder] = known[folder] ?? (await folders.put(join(home.folder, folder)))
    return all
  }

  async #fetch({ folders: known }: Pick<Shared, 'folders'>, wanted: readonly string[]): Promise<void> {
    const { folders, home, log } = this.#options
    for (const folder of wanted) {
      const content = known[folder]
      if (content === undefined) continue
      try {
        await folders.place(join(home.folder, folder), content)
      } catch (error) {
        log.warn({ err: error, folder }, 'the folder of a version cannot be fetched')
      }
    }
  }
}

/** Of versions that no deployment has any more. */
async function removeOthers(home: string, needed: ReadonlySet<string>): Promise<void> {
  const root = join(home, 'deployments')
  for (const route of await readdir(root).catch(() => [])) {
    for (const version of await readdir(join(root, route)).catch(() => [])) {
      if (!needed.has(`deployments/${route}/${version}`))
        await rm(join(root, route, version), { recursive: true, force: true })
    }
  }
}
