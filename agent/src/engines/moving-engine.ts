/**
 * Two engines as one, while the platform moves from the first to the second. What runs on the first serves on, and is
 * listed as leaving, so that the deployer replaces it; everything new is started on the second. Once nothing is left there,
 * the first is cleaned up and forgotten.
 */
import type { Debugging, Freezing, Images, Logs, Pool } from './capabilities.ts'
import type { CommandNeeds, Engine, Instance, InstanceSpec, NativeSurroundings, Prepared } from './engine.ts'

export interface Move {
  from: Engine
  to: Engine
  /** Nothing is left on the first. */
  onLeft: () => Promise<void>
  /** It could not be cleaned up; the next start tries again. */
  onFailure: (error: unknown) => void
}

export class MovingEngine implements Engine {
  readonly kind: Engine['kind']
  readonly note: string
  readonly isolation: Engine['isolation']
  readonly runsInPlace: boolean
  readonly isShared: boolean
  readonly isExposed: boolean
  readonly wasExposed: boolean
  readonly images?: Images
  readonly logs?: Logs
  readonly debug?: Debugging
  readonly freeze?: Freezing
  readonly pool?: Pool
  readonly #move: Move
  readonly #leaving = new Set<string>()
  #isLeft = false

  constructor(move: Move) {
    const { from, to } = move
    this.#move = move
    this.kind = to.kind
    this.note = to.note
    this.isolation = to.isolation
    this.runsInPlace = to.runsInPlace
    this.isShared = to.isShared ?? false
    this.isExposed = to.isExposed ?? false
    this.wasExposed = from.isExposed ?? false
    if (to.images !== undefined) this.images = to.images
    if (to.logs !== undefined) this.logs = to.logs
    if (to.debug !== undefined) this.debug = to.debug
    if (to.freeze !== undefined) this.freeze = to.freeze
    if (to.pool !== undefined) this.pool = to.pool
  }

  /** The platform's listeners are reached from both. */
  async prepare(report: (doing: string) => void): Promise<Prepared> {
    const { from, to } = this.#move
    const [before, { reach, warnings }] = await Promise.all([from.prepare(() => undefined), to.prepare(report)])
    const listenHosts = [...reach.listenHosts, ...before.reach.listenHosts]
    return { reach: { ...reach, listenHosts }, warnings }
  }

  codeFolderOf(built: Parameters<Engine['codeFolderOf']>[0]): string {
    return this.#move.to.codeFolderOf(built)
  }

  commandNeeds(spec: Pick<InstanceSpec, 'limits' | 'debugPort'>): CommandNeeds {
    return this.#move.to.commandNeeds(spec)
  }

  surroundings(base?: string): Promise<NativeSurroundings> {
    return this.#move.to.surroundings(base)
  }

  ignored(wishes: Parameters<NonNullable<Engine['ignored']>>[0]): string[] {
    return this.#move.to.ignored?.(wishes) ?? []
  }

  start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    return this.#move.to.start(spec, signal)
  }

  async promote(id: string): Promise<void> {
    if (!this.#leaving.has(id)) await this.#move.to.promote?.(id)
  }

  async instance(id: string): Promise<Instance | undefined> {
    if (!this.#leaving.has(id)) return this.#move.to.instance(id)
    const found = await this.#move.from.instance(id)
    return found && { ...found, isLeaving: true }
  }

  async instances(route?: string): Promise<Instance[]> {
    const [there, left] = await Promise.all([this.#move.to.instances(route), this.#left(route)])
    return [...there, ...left]
  }

  async stop(id: string, graceMs: number): Promise<void> {
    await (this.#leaving.has(id) ? this.#move.from : this.#move.to).stop(id, graceMs)
  }

  watch(onChange: () => void): void {
    for (const engine of this.#both()) engine.watch(onChange)
  }

  async cleanUp(removeImages: boolean): Promise<void> {
    for (const engine of this.#both()) await engine.cleanUp(removeImages)
  }

  async close(): Promise<void> {
    for (const engine of this.#both()) await engine.close()
  }

  async #left(route: string | undefined): Promise<Instance[]> {
    if (this.#isLeft) return []
    const found = await this.#move.from.instances(route)
    for (const { id } of found) this.#leaving.add(id)
    if (found.length === 0 && route === undefined) void this.#leave()
    return found.map(instance => ({ ...instance, isLeaving: true }))
  }

  async #leave(): Promise<void> {
    if (this.#isLeft) return
    this.#isLeft = true
    const { from, onLeft, onFailure } = this.#move
    try {
      // Versions are started from the images of the other one.
      await from.cleanUp(true).finally(() => from.close())
      await onLeft()
    } catch (error) {
      onFailure(error)
    }
  }

  #both(): Engine[] {
    const { from, to } = this.#move
    return this.#isLeft ? [to] : [from, to]
  }
}
