/**
 * The image that all function images are built `FROM`: Node, the libraries that it and native addons are linked with, a
 * user, and nothing else (no shell, no package manager). It is assembled from the host's own files, so it needs no
 * download; where that is not possible (not Linux), or if the user names an image, an image is pulled instead.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { pack, type Pack } from 'tar-stream'
import { RyoFaasError } from '../../contract/index.ts'
import { drain, imageExists, pullImage, translateDockerError } from '../../docker/index.ts'
import { FUNCTION_UID } from './container-spec.ts'

/** `assemble`: from the host's files; `{ pull }`: that reference, pulled if absent. */
export type BaseImageSource = { kind: 'assemble'; nodePath: string } | { kind: 'pull'; ref: string }

const REPOSITORY = 'ryo-faas-base'
const GLIBC_LIBRARIES = [
  ...['libdl.so.2', 'libm.so.6', 'libpthread.so.0', 'librt.so.1', 'libutil.so.1'],
  ...['libresolv.so.2', 'libanl.so.1', 'libnss_dns.so.2', 'libnss_files.so.2'],
]
const NODE_IN_IMAGE = '/usr/local/bin/node'

/** Returns the reference of an image that exists. */
export async function ensureBaseImage(
  docker: Docker,
  source: BaseImageSource,
  report: (doing: string) => void,
): Promise<string> {
  return source.kind === 'pull' ? pullImage(docker, source.ref, report) : assembleImage(docker, source.nodePath, report)
}

async function assembleImage(docker: Docker, nodePath: string, report: (doing: string) => void): Promise<string> {
  const node = await realpath(nodePath)
  const libraries = await imageLibraries(node)
  const fingerprint = createHash('sha256').update('4')
  for (const file of [node, ...libraries]) {
    const info = await stat(file)
    fingerprint.update(`${file}\0${info.size}\0${Math.trunc(info.mtimeMs)}\n`)
  }
  const ref = `${REPOSITORY}:${fingerprint.digest('hex').slice(0, 16)}`
  if (await imageExists(docker, ref)) return ref

  report('assembling the base image from this machine’s Node')
  const archive = pack()
  const [repo, tag] = ref.split(':') as [string, string]
  try {
    await Promise.all([
      writeRootFilesystem(archive, node, libraries),
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

async function writeRootFilesystem(archive: Pack, node: string, libraries: string[]): Promise<void> {
  const folders = new Set<string>(['/etc', '/usr/local/bin', '/app', '/run/secrets'])
  for (const library of libraries) folders.add(dirname(library))
  for (const folder of [...folders].flatMap(ancestors).filter(isFirst))
    archive.entry({ name: folder.slice(1) + '/', type: 'directory', mode: 0o755 })
  archive.entry({ name: 'tmp/', type: 'directory', mode: 0o1777 })
  archive.entry(
    { name: 'etc/passwd' },
    `root:x:0:0:root:/:/none\nfunction:x:${FUNCTION_UID}:${FUNCTION_UID}:function:/app:/none\n`,
  )
  archive.entry({ name: 'etc/group' }, `root:x:0:\nfunction:x:${FUNCTION_UID}:\n`)
  archive.entry({ name: 'etc/nsswitch.conf' }, 'hosts: files dns\n')
  await addFile(archive, node, NODE_IN_IMAGE)
  for (const library of libraries) await addFile(archive, library, library)
  archive.finalize()
}

async function addFile(archive: Pack, path: string, name: string): Promise<void> {
  const { size } = await stat(path)
  const entry = archive.entry({ name: name.slice(1), mode: 0o755, size, mtime: new Date(0) })
  await pipeline(createReadStream(path), entry)
}

/**
 * Node's libraries, and those of the same C library that only native addons are linked with: before
 * glibc 2.34 they hold code, since then addons that were built for older ones still name them.
 */
async function imageLibraries(node: string): Promise<string[]> {
  const linked = await linkedLibraries(node)
  const clib = linked.find(path => basename(path) === 'libc.so.6')
  if (clib === undefined) return linked
  const more = GLIBC_LIBRARIES.map(name => join(dirname(clib), name)).filter(path => !linked.includes(path))
  return [...linked, ...more.filter(path => existsSync(path))]
}

/** File names of the shared libraries in the image assembled for a Node. */
export async function baseImageLibraries(nodePath: string): Promise<ReadonlySet<string>> {
  return new Set((await imageLibraries(await realpath(nodePath))).map(path => basename(path)))
}

/** Paths of the shared libraries and the loader, as `ldd` resolves them. */
async function linkedLibraries(program: string): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)('ldd', [program])
    return stdout
      .split('\n')
      .map(line => /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1])
      .filter(path => path !== undefined)
  } catch (error) {
    throw new RyoFaasError(
      'BASE_IMAGE_UNAVAILABLE',
      `cannot determine the libraries of ${program}: ${(error as Error).message}`,
      {
        hint: 'Name an image to pull with --base-image, e.g. --base-image node:24-slim.',
        cause: error,
      },
    )
  }
}

function ancestors(folder: string): string[] {
  const parts = folder.split('/').slice(1)
  return parts.map((_, index) => '/' + parts.slice(0, index + 1).join('/'))
}

function isFirst(value: string, index: number, all: string[]): boolean {
  return all.indexOf(value) === index
}
