/** What deployments have on this machine beyond their state: images and instances. */
import type { ResourceView } from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import type { Fleet } from './fleet.ts'
import type { StateStore } from './state/index.ts'
import type { VersionImages } from './version-images.ts'

export interface ResourcesOptions {
  engine: Engine
  state: StateStore
  fleet: Fleet
  images: VersionImages
}

export class Resources {
  readonly #options: ResourcesOptions

  constructor(options: ResourcesOptions) {
    this.#options = options
  }

  async list(): Promise<ResourceView[]> {
    const { engine, fleet } = this.#options
    const [images = [], instances] = await Promise.all([engine.images?.list(), engine.instances()])
    const needed = this.#neededImages()
    return [
      ...images.map(({ ref, route, hash, sizeBytes, createdAt }) => ({
        type: 'image' as const,
        id: ref,
        name: ref,
        deployment: route,
        version: hash,
        state: needed.has(ref) ? 'kept' : 'unused',
        sizeBytes,
        createdAt,
      })),
      ...instances.map(({ id, name, route, version, state, startedAt }) => ({
        type: 'instance' as const,
        id,
        name,
        deployment: route,
        version: String(version),
        state: state.kind === 'exited' ? state.reason : fleet.isDraining(id) ? 'draining' : state.kind,
        createdAt: startedAt,
      })),
    ]
  }

  /** Removes images that no kept version needs. */
  async prune(): Promise<{ removed: string[]; freedBytes: number }> {
    const { engine, images } = this.#options
    const all = (await engine.images?.list()) ?? []
    const needed = this.#neededImages()
    const unused = all.filter(({ ref }) => !needed.has(ref))
    for (const { ref } of unused) await images.remove(ref)
    return {
      removed: unused.map(({ ref }) => ref),
      freedBytes: unused.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
  }

  #neededImages(): Set<string> {
    const { state, images } = this.#options
    const records = Object.values(state.current.deployments)
    return new Set(records.flatMap(({ route, versions }) => versions.map(each => images.refOf({ ...each, route }))))
  }
}
