/**
 * Built packages as one file, to be deployed later and elsewhere, as often as one likes: a tar of `digest`,
 * `artefact.json` and the files by their SHA-256. Invariants:
 *
 * 1. Its digest is the SHA-256 of `artefact.json`, which names every byte: the same code and the same deploy.json give
 *    the same file, on every machine and at any time.
 * 2. Settings are in it as deploy.json declares them. No value of `.env`, of a shell or of a secret is, and no path of
 *    the machine that built it.
 * 3. It is read whole, and each file in it proved, before anything is done with it.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { routeOf } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import type { BuiltPackages } from '../client/index.ts'
import { DeployEntry, namedVariables, PackageManifest, plainIssue, RyoFaasError } from '../contract/index.ts'
import { settleEntries } from '../deploy-file/index.ts'
import { checkedBytes, invalid, plainEntries } from './contents-tar.ts'

const MAX_INDEX_BYTES = 64 * 1024 * 1024
const DIGEST = 'digest'
const INDEX = 'artefact.json'
/** Tars have no times before. */
const NO_TIME = new Date(0)

const Artefact = z.object({
  format: z.literal(1),
  project: z.string().min(1).max(200),
  functions: z
    .array(z.object({ entry: DeployEntry, manifest: PackageManifest }))
    .min(1)
    .max(1_000),
})

export interface WrittenArtefact {
  digest: string
  sizeBytes: number
}

/** @param built with portable entries */
export async function writeArtefact(built: BuiltPackages, path: string): Promise<WrittenArtefact> {
  const { project, functions } = built
  const index = JSON.stringify(Artefact.parse({ format: 1, project, functions }))
  const digest = sha256Of(index)
  const archive = pack()
  const unfinished = `${path}.${process.pid}.tmp`
  const fill = async () => {
    archive.entry({ name: DIGEST, mtime: NO_TIME }, digest)
    archive.entry({ name: INDEX, mtime: NO_TIME }, index)
    for (const { sha256: name, size } of contentsOf(functions)) {
      await pipeline(built.open(name), archive.entry({ name, size, mtime: NO_TIME }))
    }
    archive.finalize()
  }
  try {
    await Promise.all([
      pipeline(archive, createWriteStream(unfinished)),
      fill().catch((error: Error) => archive.destroy(error)),
    ])
    await rename(unfinished, path)
    const file = await open(path)
    const { size } = await file.stat().finally(() => file.close())
    return { digest, sizeBytes: size }
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

export interface ArtefactSettings {
  environment?: string | undefined
  only?: string[] | undefined
  /** Of the shell: those that its settings name are used. */
  variables: NodeJS.ProcessEnv
  /** It must have this digest. */
  digest?: string | undefined
}

export interface OpenedArtefact extends BuiltPackages {
  digest: string
  notes: string[]
}

/**
 * @param at its path, and the folder whose `.env` files hold
 * @throws RyoFaasError PACKAGE_INVALID, DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND
 */
export async function openArtefact(
  { path, base }: { path: string; base: string },
  { environment, only, variables, digest: wanted }: ArtefactSettings,
): Promise<OpenedArtefact> {
  const { index, digest, places } = await readWhole(path).catch((error: NodeJS.ErrnoException) => {
    throw RyoFaasError.from(error, 'PACKAGE_INVALID')
  })
  if (wanted !== undefined && wanted !== digest) {
    throw new RyoFaasError('PACKAGE_INVALID', `${path} has the digest ${digest}, not ${wanted}`, {
      hint: 'It is not the file that was meant, or somebody changed it.',
    })
  }
  const parsed = Artefact.safeParse(parsedJson(index), { error: plainIssue })
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!
    throw invalid(`${path} cannot be read by this release of ryo-faas: ${at.join('.')} ${message}`)
  }
  const files = parsed.data.functions.flatMap(({ manifest }) => manifest.files)
  const missing = files.find(({ sha256, size }) => places.get(sha256)?.size !== size)
  if (missing !== undefined) throw invalid(`${path} lacks the file ${missing.sha256.slice(0, 12)}`)
  const functions = chosen(parsed.data.functions, only)
  const named = namedVariables(JSON.stringify(functions.map(({ entry }) => entry)), variables)
  const { entries, notes } = await settleEntries(
    functions.map(({ entry }) => entry),
    { environment, variables: named },
    { base, file: path },
  )
  return {
    ...{ digest, notes, project: parsed.data.project, file: path, close: async () => undefined },
    functions: functions.map(({ manifest }, index) => ({ manifest, entry: entries[index]! })),
    open: sha256 => {
      const { start, size } = places.get(sha256)!
      // No range is empty.
      return size === 0 ? Readable.from([]) : createReadStream(path, { start, end: start + size - 1 })
    },
  }
}

interface Read {
  index: string
  digest: string
  /** Where the files are, by SHA-256. */
  places: Map<string, { start: number; size: number }>
}

async function readWhole(path: string): Promise<Read> {
  const places: Read['places'] = new Map()
  let index: string | undefined
  let stated: string | undefined
  for await (const { name, size, start, content } of plainEntries(createReadStream(path))) {
    if (name === DIGEST || name === INDEX) {
      if (size > (name === INDEX ? MAX_INDEX_BYTES : 64)) throw invalid(`${path} has a "${name}" of ${size} bytes`)
      const said = await text(content)
      if (name === INDEX) index = said
      else stated = said
    } else {
      await pipeline(content, checkedBytes({ sha256: name, size }), nowhere())
      places.set(name, { start, size })
    }
  }
  if (index === undefined || stated === undefined) throw invalid(`${path} is not an artefact of ryo-faas`)
  const digest = sha256Of(index)
  if (digest !== stated) throw invalid(`${path} was changed: its digest is ${digest}, and it says ${stated}`)
  return { index, digest, places }
}

type Functions = z.infer<typeof Artefact>['functions']

function chosen(functions: Functions, only: string[] | undefined): Functions {
  if (!only || only.length === 0) return functions
  const wanted = new Set(only.map(routeOf))
  for (const name of only) {
    if (functions.some(({ entry }) => routeOf(entry.name) === routeOf(name))) continue
    const names = functions.map(({ entry }) => entry.name).join(', ')
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `the artefact has no function "${name}"`, {
      hint: `It has: ${names}`,
    })
  }
  return functions.filter(({ entry }) => wanted.has(routeOf(entry.name)))
}

/** Sorted, so that the same files give the same artefact. */
function contentsOf(functions: readonly { manifest: PackageManifest }[]): { sha256: string; size: number }[] {
  const all = functions.flatMap(({ manifest }) => manifest.files.map(({ sha256, size }) => [sha256, size] as const))
  return [...new Map(all)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([sha256, size]) => ({ sha256, size }))
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}

function sha256Of(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

function parsedJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}
