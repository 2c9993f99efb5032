/** Node's way of finding packages, as far as the builder has to walk it itself. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'

export interface Manifest {
  name?: string
  workspaces?: unknown
  gypfile?: boolean
  binary?: unknown
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

/** `@a/b/c` → `@a/b`, `x/y` → `x`; nothing for paths, URLs, `#imports` and what Node brings itself. */
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

/** Empty if there is none or it can not be read: esbuild says so where it matters. */
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

/** Machine code is found by paths that only make sense in the package's own folder, so it can not be bundled. */
export function hasNativeAddon(packageDir: string): boolean {
  const { gypfile, binary } = readManifest(packageDir)
  if (gypfile || binary !== undefined) return true
  const names = readdirSync(packageDir)
  return names.some(name => name === 'binding.gyp' || name === 'prebuilds' || name.endsWith('.node'))
}
