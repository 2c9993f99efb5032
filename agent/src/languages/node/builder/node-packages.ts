/** Node's way of finding packages, as far as the builder has to do it itself. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'

export interface Manifest {
  name?: string
  version?: string
  type?: unknown
  workspaces?: unknown
  exports?: unknown
  os?: unknown
  cpu?: unknown
  gypfile?: boolean
  binary?: unknown
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

/** `@a/b/c` → `@a/b`, `x/y` → `x`; nothing for paths, URLs, `#imports` and built-in modules. */
export function packageNameOf(specifier: string): string | undefined {
  if (isBuiltin(specifier)) return undefined
  return /^(?:@[^/\s:]+\/)?[^./#@~\s:][^/\s:]*(?=\/|$)/.exec(specifier)?.[0]
}

/** The package's folder in the nearest `node_modules` from `from` upwards. */
export function findPackage(name: string, from: string): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
    if (dirname(dir) === dir) return undefined
  }
}

/** The package in `node_modules` that a file belongs to. */
export function packageOfFile(file: string): { name: string; folder: string } | undefined {
  const [folder, name] = /^.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)(?=[\\/])/.exec(file) ?? []
  return folder === undefined ? undefined : { folder, name: name!.replace('\\', '/') }
}

/** Empty if there is none or it cannot be read: esbuild reports it where it matters. */
export function readManifest(packageDir: string): Manifest {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8'))
    return typeof manifest === 'object' && manifest !== null ? manifest : {}
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof SyntaxError || code === 'ENOENT' || code === 'ENOTDIR') return {}
    throw error
  }
}

/** The manifest of the package that a folder belongs to; empty if there is none. */
function nearestManifest(from: string): Manifest {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return readManifest(dir)
    if (dirname(dir) === dir) return {}
  }
}

/** Whether Node loads a file of a package as CommonJS. */
export function isCommonJs(file: string): boolean {
  if (/\.(?:cjs|json|node)$/.test(file)) return true
  return file.endsWith('.js') && nearestManifest(dirname(file)).type !== 'module'
}

/**
 * Machine code is found by paths that only make sense in the package's own folder, so it cannot be bundled. Returns
 * the folder with it: the package, or a package for this platform that was installed with it.
 * @param packageDir real path
 */
export function nativeAddonOf(packageDir: string): { within: string } | undefined {
  const { name = 'it', gypfile, binary, optionalDependencies } = readManifest(packageDir)
  const here = readdirSync(packageDir).some(
    entry => entry === 'binding.gyp' || entry === 'prebuilds' || entry.endsWith('.node'),
  )
  if (gypfile || binary !== undefined || here) return { within: name }
  for (const optional of Object.keys(optionalDependencies ?? {})) {
    const found = findPackage(optional, packageDir)
    if (found === undefined) continue
    const { os, cpu } = readManifest(found)
    if (os !== undefined || cpu !== undefined) return { within: optional }
  }
  return undefined
}
