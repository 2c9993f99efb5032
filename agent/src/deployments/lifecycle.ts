/**
 * What is done to a deployment that is there: it is scaled, rolled back, replayed, paused and removed, one after another
 * with whatever else is done to it.
 */
import { RyoFaasError, type StartFrom } from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import type { KeyedQueue } from '../host/index.ts'
import { activeVersion, deploymentIn, deploymentNamed, type DeploymentRecord, type StateStore } from './state/index.ts'
import type { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import { routesMustBeFree } from './name-owner.ts'
import type { Reconciler } from './reconciler.ts'
import type { RoutePublisher } from './route-publisher.ts'
import { isElastic, scaleOf, type Scaler, type Sleep } from './scaling/index.ts'
import type { Switcher } from './switcher.ts'

export interface LifecycleOptions {
  engine: Pick<Engine, 'instances' | 'logs'>
  state: StateStore
  queue: KeyedQueue
  fleet: Fleet
  instances: Instances
  publisher: RoutePublisher
  sleep: Sleep
  scaler: Scaler
  switcher: Switcher
  reconciler: Reconciler
  /** Resolves once something may be changed. @throws RyoFaasError why it may not */
  mayChange: () => Promise<void>
  /** Aborted when the instances are stopped. */
  stopping: AbortSignal
  onChange: (name: string) => void
  onRemoved: (name: string) => void
}

/** Each throws RyoFaasError DEPLOYMENT_NOT_FOUND, or why nothing can be changed yet. */
export class Lifecycle {
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /** A number, 0 for asleep until it is called, or as deploy.json says. Resolves once as many are ready. */
  async scale(name: string, instances: number | 'auto', signal: AbortSignal): Promise<void> {
    const { state, queue, fleet, scaler, publisher, reconciler, onChange } = this.#options
    const { route } = await this.#findKnown(name)
    return queue.run(route, async () => {
      const record = withoutDebugger(this.#find(name))
      const scaledTo = instances === 'auto' ? undefined : instances
      const scale = scaleOf({ scaledTo }, activeVersion(record).config)
      const awake = fleet.ready(route).length
      const wanted = Math.min(scale.max, Math.max(scale.min, isElastic(scale) ? awake : 0))
      // First, so that a number that cannot be reached changes nothing.
      await scaler.raise(record, wanted, { signal: this.#either(signal), isAllOrNone: true })
      await state.update(next => {
        const entry = deploymentIn(next, route)
        if (entry === undefined) return
        delete entry.scaledTo
        if (scaledTo !== undefined) entry.scaledTo = scaledTo
      })
      fleet.want(route, wanted)
      await publisher.publish()
      if (scaledTo === 0) await scaler.sleepNow(this.#find(name))
      await reconciler.route(route)
      scaler.touch(route)
      onChange(record.name)
    })
  }

  async rollback(name: string, wanted: number | undefined, signal: AbortSignal): Promise<void> {
    const { state, queue, fleet, instances, sleep, switcher } = this.#options
    const { route } = await this.#findKnown(name)
    return queue.run(route, async () => {
      const record = withoutDebugger(this.#find(name))
      const earlier = record.versions.filter(({ version }) => version < record.active).at(-1)
      const version = wanted === undefined ? earlier : record.versions.find(({ version }) => version === wanted)
      if (!version) {
        const kept = record.versions.map(({ version }) => version).join(', ')
        throw new RyoFaasError(
          'VERSION_NOT_FOUND',
          wanted === undefined
            ? `${record.name} has no version before ${record.active}`
            : `${record.name} has no version ${wanted}`,
          { hint: `Kept versions: ${kept}` },
        )
      }
      if (version.version === record.active) return
      routesMustBeFree([version.config], state.current)
      const { min, max } = scaleOf(record, version.config)
      const count = Math.min(max, Math.max(1, min, fleet.wanted(route) ?? 0))
      const kept = fleet.kept(route).filter(instance => instance.version === version.version)
      const thawed = await Promise.all(kept.slice(0, count).map(instance => sleep.thaw(instance)))
      const woken = thawed.filter(instance => instance !== undefined)
      const missing = { count: count - woken.length, signal: this.#either(signal) }
      const started = missing.count > 0 ? await instances.start(record, version, missing) : []
      await switcher.switchTo({ ...record, scaledTo: record.scaledTo, version, started: [...woken, ...started] })
    })
  }

  /** Replays the triggers of a deployment from an earlier event, or skips to a later one. */
  async replay(name: string, replay: { from: StartFrom; handler?: string | undefined }): Promise<void> {
    const { queue, switcher, onChange } = this.#options
    const { route } = await this.#findKnown(name)
    return queue.run(route, async () => {
      await switcher.replay(this.#find(name).route, replay)
      onChange(name)
    })
  }

  /** Pauses one of its schedules, or lets it run again from now on. */
  async pause(name: string, schedule: { key: string; isPaused: boolean }): Promise<void> {
    const { queue, switcher } = this.#options
    const { route } = await this.#findKnown(name)
    return queue.run(route, () => switcher.pause(this.#find(name).route, schedule))
  }

  /** Drains and forgets a deployment; resolves when its instances are gone. */
  async remove(name: string): Promise<void> {
    const { engine, state, queue, fleet, instances, scaler, onRemoved } = this.#options
    const record = await this.#findKnown(name)
    return queue.run(record.route, async () => {
      await state.update(next => void delete next.deployments[record.route])
      await instances.retire(await engine.instances(record.route), activeVersion(record))
      await fleet.drained()
      await engine.logs?.forget(record.route)
      fleet.forget(record.route)
      scaler.forget(record.route)
      onRemoved(record.name)
    })
  }

  async removeAll(): Promise<string[]> {
    const names = Object.values(this.#options.state.current.deployments).map(({ name }) => name)
    await Promise.all(names.map(name => this.remove(name)))
    return names
  }

  async #findKnown(name: string): Promise<DeploymentRecord> {
    this.#find(name)
    await this.#options.mayChange()
    return this.#find(name)
  }

  #find(name: string): DeploymentRecord {
    return deploymentNamed(this.#options.state.current, name)
  }

  #either(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#options.stopping])
  }
}

/** A debug port belongs to one instance. */
function withoutDebugger({ debugPort: _, ...record }: DeploymentRecord): DeploymentRecord {
  return record
}
