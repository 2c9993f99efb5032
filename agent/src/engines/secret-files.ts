import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes secrets as files for one instance. The folder's parents are closed to other users (0700), so the files
 * themselves may be readable to the container's user. Returns undefined if there are no secrets.
 */
export async function writeSecrets(folder: string, secrets: Record<string, string>): Promise<string | undefined> {
  const entries = Object.entries(secrets)
  if (entries.length === 0) return undefined
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await Promise.all(
    entries.map(async ([name, value]) => {
      const path = join(folder, name)
      await writeFile(path, value, { mode: 0o400 })
      // The umask reduces the mode above.
      await chmod(path, 0o444)
    }),
  )
  await chmod(folder, 0o755)
  return folder
}
