/**
 * The path of a part's control socket. Invariants: 1. It is the same for every agent of the home. 2. Its folder is
 * private.
 */
import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { RyoFaasError } from '../contract/index.ts'
import { readIfPresent } from '../host/index.ts'

/** sun_path of unix(7) holds 108 bytes, 104 on macOS. */
const LONGEST_SOCKET_PATH = 100

export function controlPathOf(home: string, part: string): string {
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\ryo-faas-${part}-${digest}`
  const path = join(home, 'run', `${part}.sock`)
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH ? path : join(socketFolder(), `${digest}-${part}.sock`)
}

/** @throws RyoFaasError HOME_UNUSABLE */
export async function prepareControlPath(path: string): Promise<void> {
  if (dirname(path) === socketFolder()) await ensureSocketFolder(socketFolder())
}

/** Whether the process with this options file has its control socket there: one of another build may not. */
export async function isControlledAt(optionsFile: string, path: string): Promise<boolean> {
  const options = await readIfPresent(optionsFile)
  return options?.includes(JSON.stringify(path)) === true
}

/** For homes whose path is too long for a socket. */
function socketFolder(): string {
  return join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `ryo-faas-${process.getuid?.() ?? 0}`)
}

/** @throws RyoFaasError HOME_UNUSABLE if another user created the folder, whose name anyone can compute */
export async function ensureSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return
  throw new RyoFaasError('HOME_UNUSABLE', `${folder} belongs to another user or is open to others`, {
    hint: 'Remove it, or choose a shorter RYO_FAAS_HOME.',
  })
}
