/**
 * Deploying code that was built where its source is: the agent learns of the packages, is sent the files that it lacks,
 * and starts them. No path of this machine goes there: what is in the folder of deploy.json is named as seen from it.
 */
import { basename, dirname, relative, sep } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import {
  digestOf,
  RyoFaasError,
  type BuiltFunction,
  type DeployEntry,
  type DeployEvent,
  type ErrorBody,
} from '../contract/index.ts'
import type { AgentClient, ApiInput } from './agent-client.ts'

/** Functions that are built, with the settings of one deploy. */
export interface BuiltPackages {
  /** Functions of other projects with the same name are not replaced. */
  project: string
  /** What they were made from, absolute. */
  file: string
  functions: BuiltFunction[]
  /** Content of one of their files. */
  open(sha256: string): Readable
  /** Removes what was kept on disk for them. */
  close(): Promise<void>
}

export interface UploadProgress {
  sentBytes: number
  /** Of what the agent lacked; 0 if it had everything. */
  totalBytes: number
}

type Flags = Pick<ApiInput<'deployPackages'>['body'], 'debug' | 'explain' | 'replace' | 'from'>

export interface DeployPackageOptions extends Flags {
  /** Called with each piece that is sent. */
  onProgress?: ((progress: UploadProgress) => void) | undefined
  signal?: AbortSignal | undefined
}

/** Files may go missing between announcing and deploying only if the agent was restarted in between, or another one leads. */
const MOST_TRIES = 3
const AGAIN: ReadonlySet<string> = new Set(['PACKAGE_INCOMPLETE', 'NOT_LEADING', 'LEADER_LOST'])

/**
 * The one way to bring built code to an agent, also through a tunnel: uploads what is missing, then deploys, and yields
 * the same events as `client.stream('deploy', …)`. What was uploaded before it failed or was cancelled is not sent again.
 *
 * @param client of the agent that is to run them
 * @param built stays open: `close` is the caller's
 * @throws RyoFaasError PACKAGE_INVALID, PACKAGE_UNSUITABLE, NOT_RUNNING, CANCELLED; what fails later is an event
 */
export async function* deployPackage(
  client: AgentClient,
  built: BuiltPackages,
  options: DeployPackageOptions = {},
): AsyncGenerator<DeployEvent> {
  for (let tries = 1; ; tries++) {
    const last = yield* deployOnce(client, built, options)
    // The agent that was sent the files does not lead any more: nothing was begun.
    const isIncomplete = last?.type === 'finished' && last.error?.code === 'PACKAGE_INCOMPLETE'
    if (isIncomplete && tries < MOST_TRIES) continue
    if (last !== undefined) yield last
    return
  }
}

/** @returns the last event */
async function* deployOnce(
  client: AgentClient,
  built: BuiltPackages,
  { onProgress, signal, ...flags }: DeployPackageOptions,
): AsyncGenerator<DeployEvent, DeployEvent | undefined> {
  const digests = await withRetries(() => upload(client, built, { onProgress, signal }))
  const functions = built.functions.map(({ entry }, index) => ({
    package: digests[index]!,
    entry: seenFrom(dirname(built.file), entry),
  }))
  const { project } = built
  const body = { project, file: nameOf(built), functions, ...flags }
  let last: DeployEvent | undefined
  for await (const event of client.stream('deployPackages', { body }, signal)) {
    if (last !== undefined) yield last
    last = asOfHere(event, built)
    if (last.type === 'finished') continue
    yield last
    last = undefined
  }
  return last
}

/** For messages there, and for its audit log. */
function nameOf({ project, file }: Pick<BuiltPackages, 'project' | 'file'>): string {
  return `${project}/${basename(file)}`
}

function seenFrom(folder: string, entry: DeployEntry): DeployEntry {
  const below = (path: string) => relative(folder, path).split(sep).join('/') || '.'
  const { packageDir, filePath } = entry
  return { ...entry, packageDir: below(packageDir), filePath: filePath === '' ? '' : below(filePath) }
}

/** With the places of this machine again. */
function asOfHere(event: DeployEvent, built: BuiltPackages): DeployEvent {
  switch (event.type) {
    case 'planned': {
      const folders = built.functions.flatMap(({ entry, folders = [] }) => [entry.packageDir, ...folders])
      return { ...event, folders: [...new Set(folders)] }
    }
    case 'failed':
      return { ...event, error: errorOfHere(event.error, built) }
    case 'finished':
      return event.error === undefined ? event : { ...event, error: errorOfHere(event.error, built) }
    default:
      return event
  }
}

function errorOfHere(error: ErrorBody, built: BuiltPackages): ErrorBody {
  if (error.problems === undefined) return error
  const there = nameOf(built)
  const problems = error.problems.map(problem => (problem.file === there ? { ...problem, file: built.file } : problem))
  return { ...error, problems }
}

async function upload(
  client: AgentClient,
  built: BuiltPackages,
  { onProgress, signal }: Pick<DeployPackageOptions, 'onProgress' | 'signal'>,
): Promise<string[]> {
  const manifests = built.functions.map(({ manifest }) => manifest)
  const { digests, missing } = await client.call('announcePackages', { body: { manifests } }, signal)
  if (digests.join() !== manifests.map(digestOf).join()) {
    throw new RyoFaasError('PACKAGE_INVALID', 'the agent reads these packages in another way than this command', {
      hint: 'Use the same release of ryo-faas on both sides.',
    })
  }
  const totalBytes = missing.reduce((sum, { size }) => sum + size, 0)
  onProgress?.({ sentBytes: 0, totalBytes })
  if (missing.length === 0) return digests
  const body = new PassThrough()
  const sending = send(missing, built, { body, onSent: sentBytes => onProgress?.({ sentBytes, totalBytes }) })
  try {
    await client.upload('uploadContents', body, signal)
  } catch (error) {
    // That nobody took a file is for the agent to say; that one could not be read is the reason of everything else.
    throw sending.failure ?? error
  } finally {
    // An agent that has answered reads no further.
    body.destroy(new Error('the upload is over'))
  }
  return digests
}

function send(
  missing: readonly { sha256: string; size: number }[],
  built: Pick<BuiltPackages, 'open'>,
  { body, onSent }: { body: PassThrough; onSent: (bytes: number) => void },
): { failure?: Error } {
  const archive = pack()
  const sending: { failure?: Error } = {}
  let bytes = 0
  const fill = async () => {
    for (const { sha256, size } of missing) {
      const source = built.open(sha256)
      source.on('data', (chunk: Buffer) => onSent((bytes += chunk.length)))
      // One that it is given by what it is written to has a code.
      source.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') sending.failure ??= error
      })
      await pipeline(source, archive.entry({ name: sha256, size }))
    }
    archive.finalize()
  }
  fill().catch((error: Error) => archive.destroy(error))
  pipeline(archive, createGzip({ level: 1 }), body).catch(() => undefined) // The upload fails with it.
  return sending
}

async function withRetries(attempt: () => Promise<string[]>): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      // Another agent leads now, perhaps; what it lacks it is asked first.
      const isAgain = error instanceof RyoFaasError && AGAIN.has(error.code)
      if (tries === MOST_TRIES || !isAgain) throw error
    }
  }
}
