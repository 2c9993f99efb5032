/** Moves the traffic of a deployment to instances that are ready: commit, publish, then drain the others. */
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RyoFaasError, scheduleKey, type StartFrom } from '../contract/index.ts'
import type { Engine, Instance } from '../engines/index.ts'
import {
  activeVersion,
  deploymentIn,
  type DeploymentRecord,
  type StateStore,
  type VersionRecord,
} from './state/index.ts'
import type { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import type { PlatformClock } from './platform-clock.ts'
import type { RoutePublisher } from './route-publisher.ts'
import type { Sleep } from './scaling/index.ts'
import { documentKeys, nextEpoch, subscribe, withPause } from './subscriptions.ts'
import type { VersionImages } from './version-images.ts'

/** Versions kept for rollback, the active one included. */
const KEPT_VERSIONS = 10

export interface Switch {
  name: string
  route: string
  version: VersionRecord
  /** Of that version: they are awake. */
  started: Instance[]
  scaledTo: number | undefined
  /** Where its triggers start; default: known ones resume, new ones start now. */
  from?: StartFrom | undefined
  debugPort?: number | undefined
}

export interface SwitcherOptions {
  engine: Engine
  state: StateStore
  fleet: Fleet
  instances: Instances
  sleep: Sleep
  images: VersionImages
  publisher: RoutePublisher
  /** Position of the next document change. */
  now: () => Promise<StartFrom>
  clock: PlatformClock
  onChange: (name: string) => void
}

export class Switcher {
  readonly #options: SwitcherOptions

  constructor(options: SwitcherOptions) {
    this.#options = options
  }

  /** If the commit fails, the new instances are removed and the old ones keep serving. */
  async switchTo({ name, route, version, started, scaledTo, from, debugPort }: Switch): Promise<void> {
    const { engine, state, fleet, publisher, now, clock } = this.#options
    const before = state.deployment(route)
    const isOld = ({ id }: Instance) => !started.some(instance => instance.id === id)
    try {
      const subscriptions = await subscribe({ before, version, from, now, clockMs: clock.now() })
      await state.update(next => {
        next.deployments[route] = {
          ...withVersion(before, { name, route, version, scaledTo }),
          subscriptions,
          ...(debugPort !== undefined && { debugPort }),
        }
      })
    } catch (error) {
      await Promise.all(started.map(({ id }) => engine.stop(id, 0)))
      throw error
    }
    fleet.forgive(route)
    fleet.want(route, started.length)
    fleet
      .ready(route)
      .filter(isOld)
      .forEach(({ id }) => fleet.unmark(id))
    started.forEach(instance => fleet.markReady(instance))
    await publisher.publish()
    if (started[0]) await engine.promote?.(started[0].id)
    const previous = before?.versions.find(({ version: number }) => number === before.active)
    // The traffic has moved. If the engine cannot say what is left, the next look at it does.
    const old = (await engine.instances(route).catch(() => [])).filter(isOld)
    const kept = before?.debugPort === undefined ? this.#chooseKept(old, before?.active) : undefined
    if (kept !== undefined) void fleet.drain(kept.id, this.#keep(kept, previous)).catch(() => undefined)
    await this.#options.instances.retire(
      old.filter(instance => instance !== kept),
      previous,
    )
    await this.#forgetOldVersions(route)
    this.#options.onChange(name)
  }

  /** One instance of the version before stays asleep, so that a rollback finds it. */
  #chooseKept(old: Instance[], version: number | undefined): Instance | undefined {
    if (!this.#options.sleep.isPossible) return undefined
    const candidates = old.filter(instance => instance.version === version && instance.state.kind !== 'exited')
    return candidates.find(({ state }) => state.kind === 'frozen') ?? candidates[0]
  }

  /** One that is still busy ends as the others do. */
  async #keep(instance: Instance, version: VersionRecord | undefined): Promise<void> {
    if (!(await this.#options.sleep.shelve(instance))) await this.#options.instances.retire([instance], version)
  }

  /**
   * Restarts triggers from another position, all or the one of a handler.
   * @throws RyoFaasError HANDLER_NOT_FOUND
   */
  async replay(route: string, { from, handler }: { from: StartFrom; handler?: string | undefined }): Promise<void> {
    const { state, publisher } = this.#options
    await state.update(next => {
      const record = deploymentIn(next, route)
      if (!record) return
      const keys = documentKeys(record, activeVersion(record))
      if (keys.length === 0 || (handler !== undefined && !keys.includes(handler)))
        throw noHandler(record.name, keys, handler)
      const start = { epoch: nextEpoch(record.subscriptions), from }
      for (const key of handler === undefined ? keys : [handler]) record.subscriptions[key] = start
    })
    await publisher.publish()
  }

  /**
   * Pauses a schedule, or lets it run again from now on.
   * @throws RyoFaasError HANDLER_NOT_FOUND
   */
  async pause(route: string, { key, isPaused }: { key: string; isPaused: boolean }): Promise<void> {
    const { state, publisher, clock } = this.#options
    await state.update(next => {
      const record = deploymentIn(next, route)
      if (!record) return
      const schedules = activeVersion(record).config.schedule
      if (!schedules.some(schedule => scheduleKey(schedule) === key)) {
        throw new RyoFaasError('HANDLER_NOT_FOUND', `${record.name} has no such schedule`)
      }
      next.deployments[route] = withPause(record, { key, isPaused, clockMs: clock.now() })
    })
    await publisher.publish()
    this.#options.onChange(state.deployment(route)?.name ?? route)
  }

  async #forgetOldVersions(route: string): Promise<void> {
    const { images, state } = this.#options
    const record = state.deployment(route)
    if (!record || record.versions.length <= KEPT_VERSIONS) return
    const surplus = record.versions
      .filter(({ version }) => version !== record.active)
      .slice(0, record.versions.length - KEPT_VERSIONS)
    await state.update(next => {
      const kept = deploymentIn(next, route)
      if (kept) kept.versions = kept.versions.filter(({ version }) => !surplus.some(old => old.version === version))
    })
    const imageOf = (version: VersionRecord) => images.refOf({ ...version, route })
    const needed = new Set(state.deployment(route)?.versions.map(imageOf))
    for (const version of surplus) {
      if (needed.has(imageOf(version))) continue
      // An instance that is finishing its calls keeps its image until `prune`: no reason to fail this deploy.
      await images.remove(imageOf(version)).catch(() => undefined)
      await rm(dirname(version.dir), { recursive: true, force: true })
    }
  }
}

function noHandler(name: string, keys: string[], handler: string | undefined): RyoFaasError {
  return handler === undefined || keys.length === 0
    ? new RyoFaasError('HANDLER_NOT_FOUND', `${name} has no triggers to replay`)
    : new RyoFaasError('HANDLER_NOT_FOUND', `${name} has no trigger "${handler}"`, {
        hint: `It has: ${keys.join(', ')}`,
      })
}

function withVersion(
  before: DeploymentRecord | undefined,
  { name, route, version, scaledTo }: Omit<Switch, 'started' | 'from' | 'debugPort'>,
): Omit<DeploymentRecord, 'subscriptions' | 'debugPort'> {
  const others = before?.versions.filter(({ version: number }) => number !== version.version) ?? []
  return {
    name,
    route,
    active: version.version,
    nextVersion: Math.max(before?.nextVersion ?? 1, version.version + 1),
    pausedSchedules: before?.pausedSchedules ?? [],
    ...(scaledTo !== undefined && { scaledTo }),
    versions: [...others, version].sort((a, b) => a.version - b.version),
  }
}
