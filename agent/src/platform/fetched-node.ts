/**
 * Node 24, which the published package fetches at the first start: with npm, and so from wherever the user's npm gets
 * its packages. It is not a dependency because npm would put its `bin` first in the PATH of the scripts of every project
 * that installs ryo-faas. Invariants: 1. what is not exactly the file that we published with is not run. 2. a folder in
 * the cache is complete: it gets its name when everything is in it.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGunzip } from 'node:zlib'
import { z } from 'zod'

const FETCH_TIMEOUT_MS = 180_000

/** `package.json` of what is published says which Node it wants, by platform and processor. */
const Wanted = z.record(z.string(), z.object({ package: z.string(), version: z.string(), integrity: z.string() }))

export interface NodeCache {
  /** The field `fetchedNode` of our package.json. */
  wanted: unknown
  environment: NodeJS.ProcessEnv
}

/** The fetched binary, if it is there. */
export function fetchedNode(cache: NodeCache): string | undefined {
  const place = placeOf(cache)
  return place !== undefined && existsSync(place.binary) ? place.binary : undefined
}

/**
 * Fetches it if it is wanted here and not there yet.
 * @throws what npm said, or that the file is not the expected one
 */
export async function fetchNode(cache: NodeCache, report: (doing: string) => void): Promise<void> {
  const place = placeOf(cache)
  if (place === undefined || existsSync(place.binary)) return
  const { folder, node, parent } = place
  report(`fetching Node ${node.version} (once)`)
  await mkdir(parent, { recursive: true })
  const unfinished = await mkdtemp(join(parent, 'unfinished-'))
  try {
    await promisify(execFile)(
      process.platform === 'win32' ? 'npm.cmd' : 'npm',
      [
        'pack',
        `${node.package}@${node.version}`,
        '--pack-destination',
        unfinished,
        '--prefer-offline',
        '--fetch-retries=0',
      ],
      { timeout: FETCH_TIMEOUT_MS, env: cache.environment, cwd: unfinished, shell: process.platform === 'win32' },
    )
    const archive = join(unfinished, (await readdir(unfinished)).find(name => name.endsWith('.tgz')) ?? '')
    const found = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`
    if (found !== node.integrity) throw new Error(`${node.package} ${node.version} is not the expected file`)
    const { extract } = (await import('tar-fs')).default // For this once.
    await pipeline(createReadStream(archive), createGunzip(), extract(unfinished, { strip: 1 }))
    await rm(archive)
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another start was faster.
    if (!existsSync(place.binary)) throw error
  }
}

function placeOf({ wanted, environment }: NodeCache) {
  const parsed = Wanted.safeParse(wanted)
  const node = parsed.success ? parsed.data[`${process.platform}-${process.arch}`] : undefined
  if (node === undefined) return undefined
  const parent = join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'ryo-faas', 'node')
  const folder = join(parent, `${node.package}-${node.version}`)
  return { node, parent, folder, binary: join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node') }
}
