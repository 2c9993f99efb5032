/**
 * The images that versions are started from. Each is built once and remembered (in memory: after a restart the
 * engine is asked once whether it is there); it is built again only when the engine says at a start that it is gone.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { BuiltPackage, Images } from '../engines/index.ts'

/** Who deploys may deploy again at once. */
const LATER_MS = 1_000

interface LaterBuild {
  ref: string
  abort: AbortController
  done: Promise<void>
}

export class VersionImages {
  readonly #images: Images | undefined
  readonly #laterMs: number
  readonly #known = new Set<string>()
  /** By route: the newest version only. The images of others are built if they are wanted. */
  readonly #later = new Map<string, LaterBuild>()

  /** @param images the engine's images; without them versions are started from their folders */
  constructor(images: Images | undefined, { laterMs = LATER_MS } = {}) {
    this.#images = images
    this.#laterMs = laterMs
  }

  refOf(built: BuiltPackage): string {
    return this.#images?.refOf(built) ?? built.dir
  }

  /** @throws RyoFaasError VERSION_NOT_FOUND, CANCELLED, ENGINE_FAILED */
  async ensure(built: BuiltPackage, signal: AbortSignal): Promise<string> {
    const ref = this.refOf(built)
    if (this.#images !== undefined && !this.#known.has(ref)) {
      await this.#images.build(built, signal)
      this.#known.add(ref)
    }
    return ref
  }

  /**
   * Builds it in a while, for later starts: an instance of it runs already.
   * @param onFailure a start that wants it builds it again, and fails with the reason
   */
  ensureLater(built: BuiltPackage, onFailure: (error: unknown) => void): void {
    void this.#cancel(built.route)
    const abort = new AbortController()
    const { signal } = abort
    const build = async () => {
      try {
        await delay(this.#laterMs, undefined, { signal, ref: false })
        await this.ensure(built, signal)
      } catch (error) {
        if (!signal.aborted) onFailure(error)
      } finally {
        if (this.#later.get(built.route)?.abort === abort) this.#later.delete(built.route)
      }
    }
    this.#later.set(built.route, { ref: this.refOf(built), abort, done: build() })
  }

  /** Calls `start` with the image, and once more with a new one if that is gone. */
  async startFrom<T>(built: BuiltPackage, start: (image: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await start(await this.ensure(built, signal))
    } catch (error) {
      if (!(error instanceof RyoFaasError && error.code === 'IMAGE_GONE')) throw error
      this.#known.delete(this.refOf(built))
      return start(await this.ensure(built, signal))
    }
  }

  async remove(ref: string): Promise<void> {
    const route = [...this.#later].find(([, later]) => later.ref === ref)?.[0]
    if (route !== undefined) await this.#cancel(route)
    this.#known.delete(ref)
    await this.#images?.remove(ref)
  }

  /** Nothing is built any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#later.keys()].map(route => this.#cancel(route)))
  }

  async #cancel(route: string): Promise<void> {
    const later = this.#later.get(route)
    later?.abort.abort()
    await later?.done
  }
}
