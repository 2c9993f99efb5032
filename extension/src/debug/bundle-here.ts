/** The bundle of a function that runs elsewhere, laid out on this machine for the debugger. */
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { BuiltPackages } from 'ryo-faas/client'
import type { DebugPaths } from 'ryo-faas/contract'

/** What the debugger reads: modules, and what maps them to their sources. */
const READ = /\.(?:[cm]?js|map)$/

/**
 * @param folder of its own, which is replaced
 * @param there where the function's process sees its code
 */
export async function bundleHere(
  folder: string,
  { name, built, there }: { name: string; built: BuiltPackages; there: DebugPaths },
): Promise<DebugPaths> {
  const { manifest, entry } = built.functions.find(one => one.manifest.name === name)!
  await rm(folder, { recursive: true, force: true })
  for (const { path, sha256 } of manifest.files.filter(file => READ.test(file.path))) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await pipeline(built.open(sha256), createWriteStream(join(folder, path)))
  }
  return { ...there, localRoot: folder, sourceRoot: entry.packageDir }
}
