/** Moves the traffic of a deployment to instances that are ready: commit, publish, then drain the others. */
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Engine, Instance } from '../engine/index.ts'
import type { DeploymentRecord, StateStore, VersionRecord } from '../state/index.ts'
import type { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import type { RoutePublisher } from './route-publisher.ts'

/** Versions kept for rollback, the active one included. */
const KEPT_VERSIONS = 10

export interface Switch {
  name: string
  route: string
  version: VersionRecord
  started: Instance[]
  instances: number
}

export interface SwitcherOptions {
  engine: Engine
  state: StateStore
  fleet: Fleet
  instances: Instances
  publisher: RoutePublisher
  onChange: (name: string) => void
}

export class Switcher {
  readonly #options: SwitcherOptions

  constructor(options: SwitcherOptions) {
    this.#options = options
  }

  /** If the commit fails, the new instances are removed and the old ones go on. */
  async switchTo({ name, route, version, started, instances }: Switch): Promise<void> {
    const { engine, state, fleet, publisher } = this.#options
    const before = state.deployment(route)
    const old = (await engine.instances(route)).filter(({ id }) => !started.some(instance => instance.id === id))
    try {
      await state.update(next => {
        next.deployments[route] = withVersion(before, { name, route, version, instances })
      })
    } catch (error) {
      await Promise.all(started.map(({ id }) => engine.stop(id, 0)))
      throw error
    }
    fleet.forgive(route)
    old.forEach(({ id }) => fleet.unmark(id))
    started.forEach(instance => fleet.markReady(instance))
    await publisher.publish()
    if (started[0]) await engine.promote(started[0].id)
    const previous = before?.versions.find(({ version: number }) => number === before.active)
    await this.#options.instances.retire(old, previous)
    await this.#forgetOldVersions(route)
    this.#options.onChange(name)
  }

  async #forgetOldVersions(route: string): Promise<void> {
    const { engine, state } = this.#options
    const record = state.deployment(route)
    if (!record || record.versions.length <= KEPT_VERSIONS) return
    const surplus = record.versions
      .filter(({ version }) => version !== record.active)
      .slice(0, record.versions.length - KEPT_VERSIONS)
    await state.update(next => {
      const kept = next.deployments[route]
      if (kept) kept.versions = kept.versions.filter(({ version }) => !surplus.some(old => old.version === version))
    })
    const imageOf = (version: VersionRecord) => engine.imageOf({ ...version, route })
    const needed = new Set(state.deployment(route)?.versions.map(imageOf))
    for (const version of surplus) {
      if (needed.has(imageOf(version))) continue
      await engine.removeImage(imageOf(version))
      await rm(dirname(version.dir), { recursive: true, force: true })
    }
  }
}

function withVersion(
  before: DeploymentRecord | undefined,
  { name, route, version, instances }: Omit<Switch, 'started'>,
): DeploymentRecord {
  const others = before?.versions.filter(({ version: number }) => number !== version.version) ?? []
  return {
    name,
    route,
    active: version.version,
    nextVersion: Math.max(before?.nextVersion ?? 1, version.version + 1),
    instances,
    versions: [...others, version].sort((a, b) => a.version - b.version),
  }
}
