/** The shared libraries that programs of this machine are linked with. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { RyoFaasError } from '../../contract/index.ts'

const GLIBC_LIBRARIES = [
  ...['libdl.so.2', 'libm.so.6', 'libpthread.so.0', 'librt.so.1', 'libutil.so.1'],
  ...['libresolv.so.2', 'libanl.so.1', 'libnss_dns.so.2', 'libnss_files.so.2'],
]

/** Paths of the shared libraries and the loader, as `ldd` resolves them; of a program that is not linked, none. */
export async function linkedLibraries(programs: string[]): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)('ldd', programs, { maxBuffer: 64 * 1024 * 1024 })
    return librariesIn(stdout)
  } catch (error) {
    // Of several, some may be no dynamic program.
    const { stdout, code } = error as { stdout?: string; code?: unknown }
    if (stdout !== undefined && typeof code === 'number') return librariesIn(stdout)
    throw new RyoFaasError(
      'BASE_IMAGE_UNAVAILABLE',
      `cannot determine the libraries of ${programs[0]}: ${(error as Error).message}`,
      {
        hint: 'Name an image to pull with --base-image, e.g. --base-image node:24-slim.',
        cause: error,
      },
    )
  }
}

function librariesIn(listed: string): string[] {
  const paths = listed.split('\n').map(line => /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1])
  return [...new Set(paths.filter(path => path !== undefined))]
}

/** With the rest of their C library. */
export function withRest(linked: string[]): string[] {
  const clib = linked.find(path => basename(path) === 'libc.so.6')
  if (clib === undefined) return linked
  const more = GLIBC_LIBRARIES.map(name => join(dirname(clib), name)).filter(path => !linked.includes(path))
  return [...linked, ...more.filter(path => existsSync(path))]
}
