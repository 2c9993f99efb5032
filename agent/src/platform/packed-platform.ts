/**
 * The platform that is running here as a stream of files (tar, gzip), for another machine: our bundle, what it loads as
 * packages with the native parts for that machine, and Node itself if there is none. Nothing is downloaded.
 *
 *   agent/package.json   with the hash of everything as `build`
 *   agent/bundle/**      entry of the command line: bundle/main/cli.cjs
 *   node_modules/**
 *   node/bin/node        if asked for
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { pack as tarPack } from 'tar-stream'
import { RyoFaasError } from '../contract/index.ts'
import { findNode } from './node-binary.ts'

/** `<process.platform>-<process.arch>` of the other machine. */
export interface PackedFor {
  target: string
  withNode: boolean
}

export interface PackedPlatform {
  version: string
  /** Hash of all files. */
  build: string
  bytes: number
  files(): Readable
}

/** What the bundle loads as packages. */
const PACKAGES = ['@ryo-faas/runtime', '@types/node', 'esbuild', 'lmdb', 'prom-client', 'ts-morph']
/** A bundle that was made for a checkout has these outside, too. */
const PERHAPS = ['ssh2']
const NATIVE = (target: string) => [`@esbuild/${target}`, `@lmdb/lmdb-${target}`]
const IS_NATIVE = /^@(?:esbuild|lmdb|msgpackr-extract)\//
const CODE = new Set(['.js', '.cjs', '.mjs', '.json', '.node', '.html', '.css', '.go', '.mod'])
const NOT_SENT = new Set(['node_modules', 'src', 'test', 'tests', 'docs', 'benchmark', 'dependencies', 'dict'])

interface Sent {
  /** In the archive. */
  name: string
  path: string
  mode: number
  bytes: number
}

/** @throws RyoFaasError UNSUPPORTED if this installation lacks the native parts for the target */
export async function packPlatform({ target, withNode }: PackedFor): Promise<PackedPlatform> {
  const bundle = fileURLToPath(new URL('../', import.meta.url))
  const root = dirname(bundle)
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const packages = await packagesFor(target, root)
  const sent = [
    ...(await filesOf(bundle, 'agent/bundle', name => CODE.has(extname(name)))),
    ...(
      await Promise.all([...packages].map(([name, folder]) => filesOf(folder, `node_modules/${name}`, isSent(name))))
    ).flat(),
    ...(withNode ? [await nodeFile(target)] : []),
  ].sort((a, b) => (a.name < b.name ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify([manifest, target]))
  for (const { name, path } of sent) {
    hash.update(`\n${name}\n`)
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  }
  const build = hash.digest('hex').slice(0, 16)
  const text = JSON.stringify({ ...manifest, build }, null, 2)
  return {
    version: manifest.version,
    build,
    bytes: sent.reduce((sum, { bytes }) => sum + bytes, 0),
    files: () => archive(text, sent),
  }
}

function archive(manifest: string, sent: readonly Sent[]): Readable {
  const tar = tarPack()
  const zipped = createGzip({ level: 1 })
  const write = async () => {
    tar.entry({ name: 'agent/package.json', mode: 0o644 }, manifest)
    for (const { name, path, mode, bytes } of sent) {
      const entry = tar.entry({ name, mode, size: bytes })
      await new Promise<void>((resolve, reject) => {
        createReadStream(path).on('error', reject).pipe(entry).on('finish', resolve).on('error', reject)
      })
    }
    tar.finalize()
  }
  tar.on('error', error => zipped.destroy(error))
  void write().catch((error: unknown) => zipped.destroy(error as Error))
  return (tar as unknown as Readable).pipe(zipped)
}

/** Name → folder, of those that the platform loads and what they need. */
async function packagesFor(target: string, root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const add = async (name: string, from: string): Promise<void> => {
    if (found.has(name) || (IS_NATIVE.test(name) && !name.endsWith(target))) return
    const folder = await findPackage(name, from)
    if (folder === undefined) return // An optional one.
    found.set(name, folder)
    const text = await readFile(join(folder, 'package.json'), 'utf8')
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as Record<string, object | undefined>
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) await add(next, folder)
  }
  for (const name of [...PACKAGES, ...PERHAPS, ...NATIVE(target)]) await add(name, root)
  const missing = [...PACKAGES, ...NATIVE(target)].filter(name => !found.has(name))
  if (missing.length === 0) return found
  throw new RyoFaasError('UNSUPPORTED', `this installation has no ${missing.join(', ')}, which a ${target} needs`, {
    hint: `Add the packages to this installation: npm install --force --no-save ${missing.join(' ')}`,
  })
}

/** As Node looks for it, through the links of a workspace. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  for (let folder = await realpath(from); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpath(candidate)
    if (folder === dirname(folder)) return undefined
  }
}

function isSent(name: string): (path: string) => boolean {
  const isTypes = name.startsWith('@types/') || name === 'undici-types'
  return path => {
    const file = path.split(sep).at(-1)!
    if (file === 'package.json' || file.startsWith('LICENSE')) return true
    if (isTypes) return path.endsWith('.d.ts')
    if (name === 'esbuild') return path === join('lib', 'main.js')
    if (name.startsWith('@esbuild/')) return path.startsWith(`bin${sep}`)
    if (name === '@ryo-faas/runtime' && !/^(?:dist|go)[\\/]/.test(path)) return false
    if (name === '@ryo-faas/runtime' && path.endsWith('.d.ts')) return true
    if (/\.(?:test|min)\.|(?:^|[\\/])test[.-]|-no-eval\b/.test(path)) return false
    if (path.endsWith('.node')) return !/\babi\d+\b/.test(file)
    return CODE.has(extname(path))
  }
}

async function filesOf(folder: string, as: string, isWanted: (path: string) => boolean): Promise<Sent[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .filter(
      path =>
        !path
          .split(sep)
          .slice(0, -1)
          .some(part => isLeftOut(part)) && isWanted(path),
    )
  return Promise.all(
    paths.map(async path => {
      const { size, mode } = await stat(join(folder, path))
      return { name: `${as}/${path.split(sep).join('/')}`, path: join(folder, path), mode: mode & 0o755, bytes: size }
    }),
  )
}

function isLeftOut(part: string): boolean {
  return NOT_SENT.has(part) || part.startsWith('.')
}

/** @throws RyoFaasError UNSUPPORTED if ours does not run there */
async function nodeFile(target: string): Promise<Sent> {
  const own = `${process.platform}-${process.arch}`
  if (target !== own) {
    throw new RyoFaasError('UNSUPPORTED', `the server has no Node, and the one of this machine is for ${own}`, {
      hint: 'Install Node 20.19 or newer there first.',
    })
  }
  const path = await findNode('auto')
  const { size } = await stat(path)
  return { name: 'node/bin/node', path, mode: 0o755, bytes: size }
}
