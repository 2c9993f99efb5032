import { createHash } from 'node:crypto'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * One file for each set of certificates, so that instances of an earlier agent keep theirs. Readable by the container's
 * user, whatever the umask: certificates are public.
 *
 * @returns its path; undefined if there are none
 */
export async function writeCertificates(home: string, pem = ''): Promise<string | undefined> {
  if (pem === '') return undefined
  const folder = join(home, 'run', 'certificates')
  const path = join(folder, `${createHash('sha256').update(pem).digest('hex').slice(0, 16)}.pem`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // In place: a container has this very file mounted.
  await writeFile(path, pem)
  await chmod(path, 0o644)
  return path
}
