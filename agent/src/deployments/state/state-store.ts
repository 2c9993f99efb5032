/**
 * The agent's own memory: one JSON file through lowdb. Invariants: written durably (temporary name, fsync, rename);
 * validated when read; a damaged file is set aside, never overwritten, and named in the error; updates are applied one
 * after another, and `update` resolves only once its change is on disk; with a replica, that has it before.
 */
import { rename } from 'node:fs/promises'
import { Low, type Adapter } from 'lowdb'
import { RyoFaasError } from '../../contract/index.ts'
import { readIfPresent, writeDurably } from '../../host/index.ts'
import { migrated } from './migrations.ts'
import { deploymentIn, EMPTY_STATE, PlatformState, type DeploymentRecord } from './state.ts'

/** Where a state is kept for the agent that leads after this one. */
interface StateReplica {
  /** @throws if it was not kept, or that is not known */
  write(next: Readonly<PlatformState>): Promise<void>
}

export class StateStore {
  readonly #low: Low<PlatformState>
  #replica: StateReplica | undefined
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(low: Low<PlatformState>) {
    this.#low = low
  }

  static async open(path: string): Promise<StateStore> {
    const low = new Low<PlatformState>(new DurableJson(path), structuredClone(EMPTY_STATE))
    await low.read()
    return new StateStore(low)
  }

  /** A snapshot; do not change it. */
  get current(): Readonly<PlatformState> {
    return this.#low.data
  }

  deployment(route: string): DeploymentRecord | undefined {
    return deploymentIn(this.#low.data, route)
  }

  /** From here on every change goes there first. */
  replicate(replica: StateReplica): void {
    this.#replica = replica
  }

  /** Writes nothing if it is known, so that an agent can restart on a full disk. */
  async rememberPort(name: string, port: number): Promise<void> {
    if (this.current.ports[name] !== port) await this.update(({ ports }) => void (ports[name] = port))
  }

  /** Applies `change` to a copy; if that throws or cannot be written, nothing changes. */
  update(change: (state: PlatformState) => void): Promise<void> {
    const run = this.#tail.then(async () => {
      const before = this.#low.data
      const next = structuredClone(before)
      change(next)
      await this.#replica?.write(next)
      this.#low.data = next
      try {
        await this.#low.write()
      } catch (error) {
        this.#low.data = before
        throw new RyoFaasError('HOME_UNUSABLE', `the state cannot be written: ${(error as Error).message}`, {
          hint: 'Free disk space or check the permissions of RYO_FAAS_HOME.',
          cause: error,
        })
      }
    })
    this.#tail = run.catch(() => undefined)
    return run
  }
}

/** One that this release or an earlier one wrote. @throws RyoFaasError HOME_UNUSABLE for a later one's; ZodError */
export function readState(raw: unknown): PlatformState {
  return PlatformState.parse(migrated(raw))
}

class DurableJson implements Adapter<PlatformState> {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async read(): Promise<PlatformState | null> {
    const text = await readIfPresent(this.#path)
    if (text === undefined) return null
    try {
      return readState(JSON.parse(text))
    } catch (error) {
      if (error instanceof RyoFaasError) throw error
      const aside = `${this.#path}.damaged-${Date.now()}`
      await rename(this.#path, aside)
      throw new RyoFaasError('HOME_UNUSABLE', `the state file was damaged; it was moved to ${aside}`, {
        hint: 'Start again: the platform starts empty, and "ryo-faas deploy" brings the functions back.',
        cause: error,
      })
    }
  }

  write(data: PlatformState): Promise<void> {
    return writeDurably(this.#path, JSON.stringify(data, null, 2))
  }
}
