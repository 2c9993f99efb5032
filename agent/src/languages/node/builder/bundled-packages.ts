/** Which packages a bundle consists of, from what the bundler says about its output. */
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import type { Metafile } from 'esbuild'
import { packageOfFile, readManifest } from './node-packages.ts'

export interface BundledPackage {
  name: string
  /** Bytes of its code in the bundle. */
  bytes: number
}

/** By real folder; without the function's own files and the runtime. */
export function bundledPackages({ outputs }: Metafile, packageDir: string): Map<string, BundledPackage> {
  const packages = new Map<string, BundledPackage>()
  const folders = new Map<string, { folder: string; name: string } | undefined>()
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      // A module of one of our plugins is `namespace:path`.
      if (/^[\w-]{2,}:/.test(path)) continue
      const file = resolve(packageDir, path)
      const dir = dirname(file)
      if (!folders.has(dir)) folders.set(dir, packageOf(file, packageDir))
      const found = folders.get(dir)
      if (found === undefined) continue
      const { name, bytes } = packages.get(found.folder) ?? { name: found.name, bytes: 0 }
      packages.set(found.folder, { name, bytes: bytes + bytesInOutput })
    }
  }
  return packages
}

/** `undefined`: a file of the function's own package. */
function packageOf(file: string, packageDir: string): { folder: string; name: string } | undefined {
  const installed = packageOfFile(file)
  if (installed) return installed
  if (file.startsWith(packageDir + sep)) return undefined
  for (let dir = dirname(file); dirname(dir) !== dir; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return { folder: dir, name: readManifest(dir).name ?? basename(dir) }
  }
  return undefined
}
