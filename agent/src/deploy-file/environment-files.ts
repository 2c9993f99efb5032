/**
 * The `.env` files of an entry: those next to deploy.json and those in its packageDir, as other tools read them. Later
 * ones win: `.env`, `.env.local`, `.env.<environment>`, `.env.<environment>.local`; then the same in packageDir.
 *
 * Invariant: a link that leads out of the folder of deploy.json is refused, not read.
 */
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseEnv } from 'node:util'
import { isInside } from './inside.ts'

export interface EnvironmentFiles {
  variables: Record<string, string>
  /** Where they were looked for, whether or not there is such a file. */
  candidates: string[]
  /** Those that are there. */
  found: string[]
  notes: string[]
  /** What must be put right first. */
  problems: string[]
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export async function readEnvironmentFiles(
  folders: { base: string; packageDir: string },
  environment: string | undefined,
): Promise<EnvironmentFiles> {
  const names = ['.env', '.env.local', ...(environment === undefined ? [] : [`.env.${environment}`, `.env.${environment}.local`])] // prettier-ignore
  const candidates = [...new Set([folders.base, folders.packageDir])].flatMap(folder => names.map(name => join(folder, name))) // prettier-ignore
  const read: EnvironmentFiles = { variables: {}, candidates, found: [], notes: [], problems: [] }
  for (const path of candidates) {
    if (!(await isInside(folders.base, path))) {
      read.problems.push(`"${basename(path)}" is a link to a file outside the folder of this file`)
      continue
    }
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') read.problems.push(`"${basename(path)}" cannot be read: ${message}`)
      continue
    }
    read.found.push(path)
    for (const [name, value] of Object.entries(parseEnv(text))) {
      if (VARIABLE.test(name)) read.variables[name] = value!
      else read.notes.push(`${basename(path)}: "${name}" is not a name of a variable: left out`)
    }
  }
  return read
}
