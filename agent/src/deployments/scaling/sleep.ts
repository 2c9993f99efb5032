/**
 * Puts instances to sleep and wakes them: the steps, each of which leaves what the next agent can go on from. The caller
 * holds the queue of the route.
 *
 * Invariants: 1. An instance is frozen only after every proxy has stopped choosing it, nothing is in flight there and it
 * has agreed itself. 2. A call is sent to it only after it was thawed and has answered. 3. Whatever fails on the way
 * down leaves it awake; on the way up, one that does not wake is removed, and the caller starts another.
 */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { REST_PATH } from '@ryo-faas/runtime/protocol'
import type { Engine, Instance, InstanceAddress } from '../../engines/index.ts'
import type { Fleet } from '../fleet.ts'
import type { RoutePublisher } from '../route-publisher.ts'

const REST_MS = 5_000

export interface SleepOptions {
  engine: Pick<Engine, 'freeze' | 'stop'>
  fleet: Fleet
  publisher: Pick<RoutePublisher, 'publishOne'>
  /** Whether it answers. */
  isHealthy: (instance: Instance) => Promise<boolean>
  /** Whether it is a server that cannot be asked whether it may rest. */
  isPlain?: (instance: Instance) => boolean
  /** Whether it agrees to be frozen; default: asks it. */
  mayRest?: (address: InstanceAddress) => Promise<boolean>
  log: { warn(details: object, message: string): void }
}

export class Sleep {
  readonly #options: SleepOptions

  constructor(options: SleepOptions) {
    this.#options = options
  }

  /** Whether the engine can freeze at all. */
  get isPossible(): boolean {
    return this.#options.engine.freeze !== undefined
  }

  /** Returns whether it sleeps now; if not, it is awake as before. */
  async freeze(instance: Instance): Promise<boolean> {
    const { fleet, publisher } = this.#options
    const awake = instance
    fleet.markFrozen(asKind(instance, 'frozen'), performance.now())
    const { settled } = await publisher.publishOne(instance.route)
    await settled
    if (await this.#suspend(awake)) return true
    fleet.markReady(awake)
    await publisher.publishOne(instance.route)
    return false
  }

  /** Freezes one that no route has any longer. Returns whether it sleeps now. */
  async shelve(instance: Instance): Promise<boolean> {
    if (instance.state.kind === 'running' && !(await this.#suspend(instance))) return false
    this.#options.fleet.markKept(asKind(instance, 'frozen'), performance.now())
    return true
  }

  /** Returns the awake instance, or undefined for one that did not wake, which is gone then. */
  async thaw(sleeping: Instance): Promise<Instance | undefined> {
    const { engine, fleet, log } = this.#options
    const { id, route } = sleeping
    try {
      const awake = asKind(sleeping, 'running')
      if (await this.#isAwake(awake)) return awake
      log.warn({ route, instance: id }, 'an instance does not respond after it was thawed; another one is started')
    } catch (error) {
      log.warn({ route, instance: id, err: error }, 'an instance cannot be thawed; another one is started')
    }
    fleet.unmark(id)
    fleet.forgetKept(id)
    await engine.stop(id, 0).catch(() => undefined) // The next look at the engine finds it.
    return undefined
  }

  /**
   * It is asked while it is thawed: the system accepts the connection of a frozen process, which answers as soon as it
   * runs. An engine takes some more milliseconds until it says so; Docker writes its own state down first.
   * @throws RyoFaasError of the engine, before there is an answer
   */
  async #isAwake(instance: Instance): Promise<boolean> {
    const { engine, isHealthy, log } = this.#options
    const thawed = Promise.resolve(engine.freeze?.thaw(instance.id))
    const answered = isHealthy(instance)
    if (await Promise.race([answered, thawed.then(() => false)])) {
      thawed.catch((error: unknown) => log.warn({ instance: instance.id, err: error }, 'thawed, but the engine fails'))
      return true
    }
    await thawed
    // What was asked first may have run out of time before.
    return (await answered) || isHealthy(instance)
  }

  /** Removes one that sleeps. */
  async remove({ id, route }: Instance): Promise<void> {
    const { engine, fleet, publisher } = this.#options
    fleet.forgetKept(id)
    if (fleet.unmark(id)) await (await publisher.publishOne(route)).settled
    await engine.stop(id, 0)
  }

  async #suspend(instance: Instance): Promise<boolean> {
    const { id, route, state } = instance
    const { engine, log, mayRest = agreesToRest, isPlain } = this.#options
    if (state.kind !== 'running' || engine.freeze === undefined) return false
    if (isPlain?.(instance) !== true && !(await mayRest(state.address))) return false
    try {
      await engine.freeze.freeze(id)
      return true
    } catch (error) {
      log.warn({ route, instance: id, err: error }, 'an instance cannot be frozen')
      await engine.freeze.thaw(id).catch(() => undefined)
      return false
    }
  }
}

/** A server that does not know the path has nothing to say against it; one that does not answer is not asleep. */
async function agreesToRest(address: InstanceAddress): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(REST_MS)
    const asked = request({ ...address, method: 'POST', path: REST_PATH, agent: false, signal }).end()
    const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage]
    response.resume()
    return response.statusCode !== 409
  } catch {
    return false
  }
}

function asKind(instance: Instance, kind: 'running' | 'frozen'): Instance {
  if (instance.state.kind === 'exited') return instance
  return { ...instance, state: { kind, address: instance.state.address } }
}
