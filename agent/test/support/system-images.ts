/** Images as a registry has them, made of this machine's own files where there is none: one with Node, one with NATS. */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { pack, type Pack } from 'tar-stream'
import { drain } from '../../src/docker/index.ts'
import { programOf } from './system-packages.ts'

const run = promisify(execFile)
/** What shells and scripts want to be there. */
const PROGRAMS = ['bash', 'sh', 'cat', 'env', 'install', 'ldd', 'ls', 'mkdir', 'rm', 'sleep', 'uname']
const USER_ID = 1000

/** Like `node:24-slim`: a shell, the Node that runs this, npm, and the user `node`. */
export async function importNodeImage(docker: Docker, ref: string): Promise<void> {
  const { stdout: listed } = await run('which', PROGRAMS)
  const programs = listed.trim().split('\n')
  const npm = dirname(dirname(await realpath((await run('which', ['npm'])).stdout.trim())))
  const libraries = await librariesOf([process.execPath, ...programs])
  await importImage(docker, ref, async archive => {
    const folders = [
      'etc/',
      'root/',
      'usr/bin/',
      'usr/lib/',
      'usr/lib64/',
      'usr/local/bin/',
      'usr/local/lib/node_modules/',
    ]
    for (const name of folders) archive.entry({ name, type: 'directory', mode: 0o755 })
    archive.entry({ name: 'tmp/', type: 'directory', mode: 0o1777 })
    for (const name of ['bin', 'lib', 'lib64']) archive.entry({ name, type: 'symlink', linkname: `usr/${name}` })
    const users = `root:x:0:0::/root:/bin/sh\nnode:x:${USER_ID}:${USER_ID}::/tmp:/bin/sh\n`
    archive.entry({ name: 'etc/passwd' }, users)
    archive.entry({ name: 'etc/group' }, `root:x:0:\nnode:x:${USER_ID}:\n`)
    archive.entry({ name: 'etc/nsswitch.conf' }, 'hosts: files dns\n')
    await add(archive, process.execPath, 'usr/local/bin/node')
    for (const path of programs) await add(archive, path, `usr/bin/${path.split('/').at(-1)}`)
    for (const path of libraries) await add(archive, path, path.replace(/^\/(?:usr\/)?/, 'usr/'))
    for (const file of await readdir(npm, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name)
      if (file.isFile()) await add(archive, path, `usr/local/lib/node_modules/npm${path.slice(npm.length)}`)
    }
    const linkname = '../lib/node_modules/npm/bin/npm-cli.js'
    archive.entry({ name: 'usr/local/bin/npm', type: 'symlink', linkname })
  })
}

/** Like `nats:2-alpine`. */
export function importNatsImage(docker: Docker, ref: string): Promise<void> {
  return importImage(docker, ref, archive => add(archive, programOf('nats-server')!, 'usr/local/bin/nats-server'))
}

async function importImage(docker: Docker, ref: string, fill: (archive: Pack) => Promise<void>): Promise<void> {
  const archive = pack()
  const [repo, tag] = ref.split(':') as [string, string]
  const imported = docker.importImage(archive as unknown as NodeJS.ReadableStream, { repo, tag })
  await Promise.all([fill(archive).then(() => archive.finalize()), imported.then(stream => drain(docker, stream))])
}

async function librariesOf(programs: string[]): Promise<string[]> {
  // Of scripts among them it says that they are no programs, with an exit code.
  const { stdout } = await run('ldd', programs).catch((error: unknown) => error as { stdout: string })
  return [...new Set([...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!))]
}

async function add(archive: Pack, path: string, name: string): Promise<void> {
  const { size, mode } = await stat(path)
  await pipeline(createReadStream(path), archive.entry({ name, size, mode: mode & 0o777 }))
}
