/** What a build decided, as data that users can read. */
import type { BundleFacts } from '../../../contract/index.ts'
import type { Bundled } from './esbuild-session.ts'
import { readManifest } from './node-packages.ts'
import type { TakenFile } from '../../building/index.ts'

/** What the app consists of. */
interface AppFiles {
  /** By path: the bundle, its map and the runtime. */
  written: ReadonlyMap<string, string>
  /** All others. */
  taken: readonly TakenFile[]
}

export function bundleFacts(bundled: Bundled, { written, taken }: AppFiles): BundleFacts {
  const sizes = new Map(bundled.outside.map(({ at }) => [at, 0]))
  const files = { count: 0, bytes: 0 }
  for (const { path, size } of taken) {
    const at = packageAt(path)
    const known = at === undefined ? undefined : sizes.get(at)
    if (known !== undefined) {
      sizes.set(at!, known + size)
    } else {
      files.count++
      files.bytes += size
    }
  }
  const writtenBytes = [...written.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  const takenBytes = taken.reduce((sum, { size }) => sum + size, 0)
  return {
    bundleBytes: Buffer.byteLength(bundled.code),
    bundled: [...bundled.bundled]
      .map(([folder, { name, bytes }]) => ({ name, ...versionIn(folder), bytes }))
      .sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1)),
    unbundled: bundled.outside.map(({ name, folder, at, why, native, neededBy }) => ({
      name,
      ...versionIn(folder),
      bytes: sizes.get(at)!,
      why,
      native,
      ...(neededBy !== undefined && { neededBy }),
    })),
    files,
    totalBytes: writtenBytes + takenBytes,
  }
}

/** `node_modules/a/node_modules/@b/c/d.js` → `node_modules/a/node_modules/@b/c` */
function packageAt(path: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0]
}

function versionIn(folder: string): { version?: string } {
  const { version } = readManifest(folder)
  return version === undefined ? {} : { version }
}
