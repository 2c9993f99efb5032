/**
 * Where one request was tried, and whether and where it may be retried.
 *
 * Invariants: 1. A request that may have run is sent again at most `MAX_RERUNS` times: that bounds what a request that
 * kills its instance can destroy. 2. An instance that refused for good is not tried again; one that refused a
 * connection, or had no room, is, in the next round.
 */
import type { Choice, FunctionEntry } from '../routing/routes.ts'
import type { Instance } from '../upstream/index.ts'

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const MAX_RERUNS = 2
const MAX_ATTEMPTS = 50

export class Attempts {
  private count = 0
  private reruns = 0
  private excluded: Set<Instance> | undefined
  private refused: Set<Instance> | undefined

  /** The request may have run already. */
  get mayHaveRun(): boolean {
    return this.reruns > 0
  }

  /** A kept connection failed once: the next one must be new. */
  get needsFresh(): boolean {
    return this.reruns > 0
  }

  choose(entry: FunctionEntry, now: number): Choice {
    return this.count < MAX_ATTEMPTS ? entry.choose(now, this.excluded) : 'none'
  }

  begin(): void {
    this.count += 1
  }

  /** `instance` said that it does not take the request. */
  exclude(instance: Instance): void {
    this.excluded ??= new Set()
    this.excluded.add(instance)
  }

  /** `instance` accepted no connection. */
  refusedBy(instance: Instance, now: number): void {
    instance.refused(now)
    this.overloadedBy(instance)
  }

  /** `instance` has no room: it may have in the next round. */
  overloadedBy(instance: Instance): void {
    this.exclude(instance)
    this.refused ??= new Set()
    this.refused.add(instance)
  }

  /** In the next round there are instances that may have changed their mind. */
  get hasRefused(): boolean {
    return this.refused !== undefined
  }

  /** Instances that refused may be tried again. */
  newRound(): void {
    for (const instance of this.refused ?? []) this.excluded?.delete(instance)
    this.refused = undefined
  }

  /** @returns whether a request that `instance` left without an answer may be sent again. */
  mayRerun(method: string): boolean {
    return IDEMPOTENT.has(method) && this.reruns < MAX_RERUNS
  }

  /** Resends such a request; to the same instance only if the connection was a kept one that may just be stale. */
  rerunAfter(instance: Instance, wasReused: boolean): void {
    this.reruns += 1
    if (!wasReused) this.exclude(instance)
  }
}
