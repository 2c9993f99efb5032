/** Images of functions: the base image and one layer with the package. */
import type Docker from 'dockerode'
import { pack, type PackOptions } from 'tar-fs'
import type { Pack } from 'tar-stream'
import { RyoFaasError } from '../../contract/index.ts'
import { drain, imageExists, isDockerStatus, translateDockerError } from '../../docker/index.ts'
import type { ImageInfo } from '../capabilities.ts'
import type { BuiltPackage } from '../engine.ts'
import { APP_FOLDER } from './container-spec.ts'

export interface FunctionImage {
  ref: string
  base: string
  project: string
  built: BuiltPackage
}

/** @throws RyoFaasError CANCELLED, ENGINE_FAILED */
export async function buildFunctionImage(docker: Docker, image: FunctionImage, signal: AbortSignal): Promise<void> {
  const { ref, base, project, built } = image
  // Constant labels precede the COPY, so Docker caches their layer. The hash is in the tag.
  const dockerfile = `FROM ${base}\nLABEL ryo-faas=${project} ${project}=image ${project}.function=${built.route}\nCOPY app ${APP_FOLDER}\n`
  const context = packageArchive(built.dir, {
    finalize: false,
    finish: archive => {
      archive.entry({ name: 'Dockerfile' }, dockerfile)
      archive.finalize()
    },
  })
  try {
    const options = { t: ref, abortSignal: signal }
    await drain(docker, await docker.buildImage(context as unknown as NodeJS.ReadableStream, options))
  } catch (error) {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${ref} was cancelled`, { cause: error })
    throw translateDockerError(error, `building the image ${ref}`)
  }
}

/** A package as the folder `app` of an archive. */
export function packageArchive(dir: string, options: PackOptions = {}): Pack {
  return pack(dir, {
    map: header => ({
      ...header,
      name: `app/${header.name}`,
      uid: 0,
      gid: 0,
      // Keep the executable bit only: other permissions on this machine mean nothing in the container.
      mode: header.type === 'directory' || ((header.mode ?? 0) & 0o100) !== 0 ? 0o755 : 0o644,
    }),
    ...options,
  })
}

/**
 * The image of a package with a Dockerfile, with the classic builder: images that it names need not be in a registry.
 * Its steps run in containers, with the network.
 * @throws RyoFaasError CANCELLED, BUILD_FAILED with what the builder said
 */
export async function buildFromDockerfile(
  docker: Docker,
  { ref, dockerfile, project, built }: Omit<FunctionImage, 'base'> & { dockerfile: string },
  signal: AbortSignal,
): Promise<void> {
  const labels = { 'ryo-faas': project, [project]: 'image', [`${project}.function`]: built.route }
  try {
    const options = { t: ref, dockerfile, labels, abortSignal: signal, forcerm: true }
    await drain(docker, await docker.buildImage(pack(built.dir) as unknown as NodeJS.ReadableStream, options))
  } catch (error) {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${ref} was cancelled`, { cause: error })
    const translated = translateDockerError(error, `building the image ${ref}`)
    if (translated.code === 'DOCKER_UNREACHABLE') throw translated
    const message = `${dockerfile} of ${built.route} could not be built: ${(error as Error).message}`
    throw new RyoFaasError('BUILD_FAILED', message, { cause: error })
  }
}

export async function listFunctionImages(docker: Docker, project: string): Promise<ImageInfo[]> {
  try {
    const found = await docker.listImages({ filters: { label: [`ryo-faas=${project}`] } })
    return found.flatMap(({ RepoTags, Labels, Size, Created }) =>
      (RepoTags ?? []).map(ref => ({
        ref,
        route: Labels[`${project}.function`] ?? '',
        hash: ref.slice(ref.lastIndexOf(':') + 1),
        sizeBytes: Size,
        createdAt: new Date(Created * 1000).toISOString(),
      })),
    )
  } catch (error) {
    throw translateDockerError(error, 'listing images')
  }
}

/**
 * Removes an image by its name; a missing image is not an error.
 *
 * Docker then removes the layers below it that are not in use, and may refuse (409) because of one that others are
 * removing at the same time, when the image itself is already gone. So a refusal counts only while the name exists.
 *
 * @throws RyoFaasError ENGINE_FAILED if a container uses it, DOCKER_UNREACHABLE
 */
export async function removeFunctionImage(docker: Docker, ref: string): Promise<void> {
  try {
    await docker.getImage(ref).remove()
  } catch (error) {
    if (isDockerStatus(error, 404)) return
    if (isDockerStatus(error, 409) && !(await imageExists(docker, ref))) return
    throw translateDockerError(error, `removing the image ${ref}`)
  }
}
