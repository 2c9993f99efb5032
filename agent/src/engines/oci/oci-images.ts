/**
 * Packages as images that are made here and kept as files, in the format of OCI (image-spec): a layer with the base, a
 * layer with the package. No Docker is asked: the machines of a swarm fetch them (`swarm/image-server.ts`), each layer
 * once, and an export writes them into an archive.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pack } from 'tar-stream'
import { dockerfileOf, RyoFaasError, SCRATCH_BASE } from '../../contract/index.ts'
import { KeyedQueue, readIfPresent, writeAtomically } from '../../host/index.ts'
import type { ImageInfo, Images } from '../capabilities.ts'
import { fingerprintOf, nodeFiles, writeRootFilesystem, type BaseImageSource } from '../docker/base-image.ts'
import { APP_FOLDER } from '../docker/container-spec.ts'
import { packageArchive } from '../docker/function-image.ts'
import { hostFiles } from '../docker/host-files.ts'
import type { BuiltPackage } from '../engine.ts'
import { requirePackage } from '../package-folder.ts'
import { NODE_BASE } from '../pool/pool-class.ts'
import { BlobStore, type Descriptor } from './blob-store.ts'
import type { Registry } from './registry.ts'

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
/** Not compressed: the network between the machines is faster than a compressor. */
const LAYER = 'application/vnd.oci.image.layer.v1.tar'
/** Node's names of processors that Docker calls differently. */
const PROCESSORS: Record<string, string> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

export interface OciImagesOptions {
  /** For the contents and the records. */
  folder: string
  /** Who needs them, for messages. */
  maker: string
  project: string
  sourceOf: (base: string) => Promise<BaseImageSource>
  /** Images are brought there, too. */
  registry?: Registry | undefined
}

/** The record of an image. */
export interface OciImage extends ImageInfo {
  manifest: Descriptor
  /** What the manifest names. */
  contents: Descriptor[]
}

export class OciImages implements Images {
  readonly blobs: BlobStore
  readonly #options: OciImagesOptions
  /** What is removed must not be what another image is being made of. */
  readonly #inTurn = new KeyedQueue()
  /** Digests of manifests that are known to be in the registry. */
  readonly #pushed = new Set<string>()

  constructor(options: OciImagesOptions) {
    this.#options = options
    this.blobs = new BlobStore(join(options.folder, 'blobs'))
  }

  refOf({ route, hash }: BuiltPackage): string {
    return `${this.#options.project}-${route}:${hash}`
  }

  build(built: BuiltPackage, signal: AbortSignal): Promise<string> {
    const ref = this.refOf(built)
    return this.#inTurn.run('', async () => {
      const kept = await this.find(ref)
      if (kept !== undefined) return this.#published(kept)
      await requirePackage(built)
      const base = await this.#baseLayer(built.base ?? NODE_BASE, () => undefined)
      try {
        const app = await this.blobs.add(LAYER, packageArchive(built.dir) as unknown as NodeJS.ReadableStream, signal)
        return await this.#published(await this.#record(built, [...base, app]))
      } catch (error) {
        if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${ref} was cancelled`, { cause: error })
        throw error
      }
    })
  }

  async list(): Promise<ImageInfo[]> {
    const all = await this.#all()
    return all.map(({ ref, route, hash, sizeBytes, createdAt }) => ({ ref, route, hash, sizeBytes, createdAt }))
  }

  remove(ref: string): Promise<void> {
    return this.#inTurn.run('', async () => {
      await rm(this.#recordOf(ref), { force: true })
      const [images, bases] = await Promise.all([this.#all(), this.#records<Descriptor>('bases')])
      const named = [...images.flatMap(({ manifest, contents }) => [manifest, ...contents]), ...bases]
      await this.blobs.keepOnly(new Set(named.map(({ digest }) => digest)))
    })
  }

  /** Also the base. */
  removeAll(): Promise<void> {
    return this.#inTurn.run('', () => rm(this.#options.folder, { recursive: true, force: true }))
  }

  /** With the digest by which a machine fetches it; undefined if there is no such image. */
  async find(ref: string): Promise<OciImage | undefined> {
    const text = await readIfPresent(this.#recordOf(ref))
    if (text === undefined) return undefined
    const kept = JSON.parse(text) as OciImage
    const there = await Promise.all([kept.manifest, ...kept.contents].map(({ digest }) => this.blobs.has(digest)))
    return there.every(Boolean) ? kept : undefined
  }

  async ensureBase(report: (doing: string) => void): Promise<void> {
    await this.#inTurn.run('', () => this.#baseLayer(NODE_BASE, report))
  }

  /** @throws RyoFaasError UNSUPPORTED, NODE_NOT_FOUND */
  async #baseLayer(base: string, report: (doing: string) => void): Promise<Descriptor[]> {
    if (base === SCRATCH_BASE) return []
    if (dockerfileOf(base) !== undefined) {
      throw new RyoFaasError('UNSUPPORTED', `${this.#options.maker} does not build Dockerfiles`, {
        hint: 'Start the platform with --engine docker, or run the program with "command".',
      })
    }
    const files = await filesOf(await this.#options.sourceOf(base), this.#options.maker)
    const path = join(this.#options.folder, 'bases', `${await fingerprintOf(files)}.json`)
    const known = await readIfPresent(path)
    if (known !== undefined) {
      const layer = JSON.parse(known) as Descriptor
      if (await this.blobs.has(layer.digest)) return [layer]
    }
    report('assembling the base image from this machine’s Node')
    const archive = pack()
    const content = archive as unknown as NodeJS.ReadableStream
    const [layer] = await Promise.all([this.blobs.add(LAYER, content), writeRootFilesystem(archive, files)])
    await writeAtomically(path, JSON.stringify(layer))
    return [layer]
  }

  /** @returns its reference. @throws RyoFaasError REGISTRY_FAILED */
  async #published({ ref, manifest, contents }: OciImage): Promise<string> {
    const { registry, project } = this.#options
    if (registry === undefined || this.#pushed.has(manifest.digest)) return ref
    await registry.push(project, { manifest, contents, blobs: this.blobs })
    this.#pushed.add(manifest.digest)
    return ref
  }

  async #record(built: BuiltPackage, layers: Descriptor[]): Promise<OciImage> {
    const { project } = this.#options
    const ref = this.refOf(built)
    const createdAt = new Date().toISOString()
    const config = await this.blobs.addJson(CONFIG, {
      ...{ created: createdAt, os: 'linux', architecture: processorOf(process.arch) },
      config: {
        WorkingDir: APP_FOLDER,
        Labels: { 'ryo-faas': project, [project]: 'image', [`${project}.function`]: built.route },
      },
      // Not compressed, so that the digest of a layer is that of its content.
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    })
    const manifest = await this.blobs.addJson(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers })
    const record: OciImage = {
      ...{ ref, route: built.route, hash: built.hash, createdAt, manifest },
      sizeBytes: layers.reduce((sum, { size }) => sum + size, 0),
      contents: [config, ...layers],
    }
    await writeAtomically(this.#recordOf(ref), JSON.stringify(record))
    return record
  }

  #all(): Promise<OciImage[]> {
    return this.#records<OciImage>('images')
  }

  async #records<T>(kind: 'images' | 'bases'): Promise<T[]> {
    const folder = join(this.#options.folder, kind)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const names = (await readdir(folder)).filter(name => name.endsWith('.json'))
    return Promise.all(names.map(async name => JSON.parse(await readFile(join(folder, name), 'utf8')) as T))
  }

  /** The names of a project, a route and a hash hold no slash. */
  #recordOf(ref: string): string {
    return join(this.#options.folder, 'images', `${ref}.json`)
  }
}

/** As images and Kubernetes name it. @param arch as Node does */
export function processorOf(arch: string): string {
  return PROCESSORS[arch] ?? arch
}

/** @throws RyoFaasError UNSUPPORTED */
async function filesOf(source: BaseImageSource, maker: string) {
  switch (source.kind) {
    case 'assemble':
      return nodeFiles(source.nodePath)
    case 'host':
      return hostFiles(source.paths)
    case 'pull':
      throw new RyoFaasError('UNSUPPORTED', `${maker} cannot build on ${source.ref}`, {
        hint: 'Start the platform without --base-image, on Linux: the base is made of this machine’s Node.',
      })
  }
}
