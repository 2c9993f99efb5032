/**
 * The image that all function images are built `FROM`: Node, the libraries that it and native addons are linked with, a
 * user, and nothing else (no shell, no package manager). It is assembled from the host's own files, so it needs no
 * download; where that is not possible (not Linux), or if the user names an image, an image is pulled instead.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type Docker from 'dockerode'
import { pack, type Pack } from 'tar-stream'
import { drain, imageExists, pullImage, translateDockerError } from '../../docker/index.ts'
import { FUNCTION_UID } from './container-spec.ts'
import { hostFiles, type ImageFile } from './host-files.ts'
import { linkedLibraries, withRest } from './linked-libraries.ts'

/** `assemble`: from the host's Node; `host`: from these files of the host; `pull`: that reference, pulled if absent. */
export type BaseImageSource =
  { kind: 'assemble'; nodePath: string } | { kind: 'host'; paths: string[] } | { kind: 'pull'; ref: string }

const REPOSITORY = 'ryo-faas-base'
const NODE_IN_IMAGE = '/usr/local/bin/node'

/** Returns the reference of an image that exists. */
export async function ensureBaseImage(
  docker: Docker,
  source: BaseImageSource,
  report: (doing: string) => void,
): Promise<string> {
  switch (source.kind) {
    case 'pull':
      return pullImage(docker, source.ref, report)
    case 'assemble':
      return assembleImage(docker, source.nodePath, report)
    case 'host':
      return importFiles(docker, await hostFiles(source.paths), () => report('assembling a base image'))
  }
}

async function assembleImage(docker: Docker, nodePath: string, report: (doing: string) => void): Promise<string> {
  const files = await nodeFiles(nodePath)
  return importFiles(docker, files, () => report('assembling the base image from this machine’s Node'))
}

/** What a base image with this Node is made of. */
export async function nodeFiles(nodePath: string): Promise<ImageFile[]> {
  const node = await realpath(nodePath)
  const libraries = (await imageLibraries(node)).map(path => ({ path, name: path }))
  return [{ path: node, name: NODE_IN_IMAGE }, ...libraries]
}

/** An image of these files, made unless there is one. */
export async function importFiles(docker: Docker, files: readonly ImageFile[], report: () => void): Promise<string> {
  const ref = `${REPOSITORY}:${await fingerprintOf(files)}`
  if (await imageExists(docker, ref)) return ref

  report()
  const archive = pack()
  const [repo, tag] = ref.split(':') as [string, string]
  try {
    await Promise.all([
      writeRootFilesystem(archive, files),
      docker
        .importImage(archive as unknown as NodeJS.ReadableStream, {
          repo,
          tag,
          changes: [`LABEL ryo-faas=base`, 'WORKDIR /app'],
        })
        .then(stream => drain(docker, stream)),
    ])
  } catch (error) {
    throw translateDockerError(error, 'assembling the base image', 'BASE_IMAGE_UNAVAILABLE')
  }
  return ref
}

/** The same as long as these files are. */
export async function fingerprintOf(files: readonly ImageFile[]): Promise<string> {
  const fingerprint = createHash('sha256').update('6')
  for (const { path, name } of files) {
    const info = await stat(path)
    fingerprint.update(`${path}\0${name}\0${info.size}\0${Math.trunc(info.mtimeMs)}\n`)
  }
  return fingerprint.digest('hex').slice(0, 16)
}

export async function writeRootFilesystem(archive: Pack, files: readonly ImageFile[]): Promise<void> {
  const folders = new Set<string>(['/etc', '/usr/local/bin', '/app', '/run/secrets'])
  for (const { name } of files) folders.add(dirname(name))
  // Packages may lie in a home below /tmp, and Docker refuses what is in an archive twice.
  const all = new Set([...folders, '/tmp'].flatMap(ancestors))
  for (const folder of all) {
    archive.entry({ name: folder.slice(1) + '/', type: 'directory', mode: folder === '/tmp' ? 0o1777 : 0o755 })
  }
  archive.entry(
    { name: 'etc/passwd' },
    `root:x:0:0:root:/:/none\nfunction:x:${FUNCTION_UID}:${FUNCTION_UID}:function:/app:/none\n`,
  )
  archive.entry({ name: 'etc/group' }, `root:x:0:\nfunction:x:${FUNCTION_UID}:\n`)
  archive.entry({ name: 'etc/nsswitch.conf' }, 'hosts: files dns\n')
  // All addresses that /etc/hosts has for a name, not the first alone.
  archive.entry({ name: 'etc/host.conf' }, 'multi on\n')
  for (const file of files) await addFile(archive, file)
  archive.finalize()
}

/** With its time: compiled Python names that of its source. */
async function addFile(archive: Pack, { path, name }: ImageFile): Promise<void> {
  const { size, mtime } = await stat(path)
  const entry = archive.entry({ name: name.slice(1), mode: 0o755, size, mtime })
  await pipeline(createReadStream(path), entry)
}

/**
 * Node's libraries, and those of the same C library that only native addons are linked with: before
 * glibc 2.34 they hold code, since then addons that were built for older ones still name them.
 */
async function imageLibraries(node: string): Promise<string[]> {
  return withRest(await linkedLibraries([node]))
}

/** File names of the shared libraries in the image assembled for a Node. */
export async function baseImageLibraries(nodePath: string): Promise<ReadonlySet<string>> {
  return new Set((await imageLibraries(await realpath(nodePath))).map(path => basename(path)))
}

function ancestors(folder: string): string[] {
  const parts = folder.split('/').slice(1)
  return parts.map((_, index) => '/' + parts.slice(0, index + 1).join('/'))
}
