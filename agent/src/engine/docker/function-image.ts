/** Images of functions: the base image and one layer with the package. */
import type Docker from 'dockerode'
import { pack } from 'tar-fs'
import { RyoFaasError } from '../../contract/index.ts'
import type { BuiltPackage, ImageInfo } from '../engine.ts'
import { drain } from './base-image.ts'
import { APP_FOLDER } from './container-spec.ts'
import { translateDockerError } from './docker-errors.ts'

export interface FunctionImage {
  ref: string
  base: string
  project: string
  built: BuiltPackage
}

/** @throws RyoFaasError CANCELLED, ENGINE_FAILED */
export async function buildFunctionImage(docker: Docker, image: FunctionImage, signal: AbortSignal): Promise<void> {
  const { ref, base, project, built } = image
  // Labels that stay the same stand before the COPY: their step comes out of Docker's cache. The hash is in the tag.
  const dockerfile = `FROM ${base}\nLABEL ryo-faas=${project} ${project}=image ${project}.function=${built.route}\nCOPY app ${APP_FOLDER}\n`
  const context = pack(built.dir, {
    map: header => ({
      ...header,
      name: `app/${header.name}`,
      uid: 0,
      gid: 0,
      mode: header.type === 'directory' ? 0o755 : 0o644,
    }),
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
