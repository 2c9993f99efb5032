/**
 * The images that versions are started from. Each is built once and remembered (in memory: after a restart the
 * engine is asked once whether it is there); it is built again only when the engine says at a start that it is gone.
 */
import { RyoFaasError } from '../contract/index.ts'
import type { BuiltPackage, Images } from '../engines/index.ts'

export class VersionImages {
  readonly #images: Images | undefined
  readonly #known = new Set<string>()

  /** @param images the engine's images; without them versions are started from their folders */
  constructor(images: Images | undefined) {
    this.#images = images
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
    this.#known.delete(ref)
    await this.#images?.remove(ref)
  }
}
