/** Sends the requests of one file in their order, and compares what comes back with what was expected of it. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Response } from 'undici'
import { RyoFaasError } from '../../contract/index.ts'
import { failureOf } from './expectations.ts'
import { parseHttpFile, type HttpRequest } from './parse-http-file.ts'
import type { ReceivedResponse } from './received-response.ts'
import { differenceOf, formatSnapshots, parseSnapshots, snapshotOf } from './snapshot.ts'
import { Variables } from './variables.ts'

export interface HttpTestResult {
  readonly file: string
  readonly line: number
  readonly title: string
  readonly status?: number
  readonly durationMs?: number
  /** Empty if it passed. */
  readonly failures: readonly string[]
  /** Snapshot against response, if they differ. */
  readonly difference?: readonly string[]
  /** Its snapshot was new, or renewed. */
  readonly isWritten?: boolean
}

export interface RunOptions {
  /** Shown to the user. */
  readonly label: string
  /** Base URL of the deployments. */
  readonly url: string
  readonly given: ReadonlyMap<string, string>
  readonly environment: NodeJS.ProcessEnv
  readonly isUpdating: boolean
  /** A snapshot that is missing is an error: in CI nobody would commit a new one. */
  readonly isStrict: boolean
  send(
    url: string,
    init: { method: string; headers: [string, string][]; body?: string | Uint8Array },
  ): Promise<Response>
}

export async function runHttpFile(path: string, options: RunOptions): Promise<HttpTestResult[]> {
  const { variables, requests } = parseHttpFile(await readFile(path, 'utf8'), options.label)
  const snapshotPath = join(dirname(path), '__snapshots__', `${basename(path)}.snap`)
  const known = parseSnapshots(await readIfThere(snapshotPath))
  const kept = new Map<string, string>()
  const responses = new Map<string, ReceivedResponse>()
  const results: HttpTestResult[] = []
  const taken = new Set<string>()
  const given = new Map([['url', options.url], ['host', new URL(options.url).host], ...options.given])
  for (const request of requests) {
    const sources = { given, file: variables, responses, environment: options.environment }
    const about = { file: options.label, line: request.line, title: request.title }
    const key = uniqueIn(taken, request.title)
    const expected = known.get(key)
    try {
      const response = await exchange(request, { path, variables: new Variables(sources), options })
      if (request.name !== undefined) responses.set(request.name, response)
      const compared = compare(request, { response, expected, options })
      if (compared.snapshot !== undefined) kept.set(key, compared.snapshot)
      results.push({ ...about, status: response.status, durationMs: response.durationMs, ...compared.result })
    } catch (error) {
      if (!(error instanceof RyoFaasError) || error.code === 'CANCELLED') throw error
      if (expected !== undefined) kept.set(key, expected)
      results.push({ ...about, failures: [error.message] })
    }
  }
  // Those of requests that are gone stay until somebody asks for an update.
  if (!options.isUpdating) for (const [key, text] of known) if (!kept.has(key)) kept.set(key, text)
  await save(snapshotPath, formatSnapshots(kept), kept.size === 0)
  return results
}

interface Compared {
  /** What is kept from now on. */
  readonly snapshot?: string
  readonly result: Pick<HttpTestResult, 'failures' | 'difference' | 'isWritten'>
}

function compare(
  request: HttpRequest,
  { response, expected, options }: { response: ReceivedResponse; expected: string | undefined; options: RunOptions },
): Compared {
  const failures = request.expectations.flatMap(({ text }) => failureOf(text, response) ?? [])
  if (!request.hasSnapshot) return { result: { failures } }
  const { shownHeaders: headers, masks } = request
  const received = snapshotOf(response, { headers, masks, url: options.url })
  if (expected === received) return { snapshot: expected, result: { failures } }
  if (expected === undefined && options.isStrict && !options.isUpdating) {
    return {
      result: { failures: [...failures, 'it has no snapshot: run ryo-faas test here, and commit what it writes'] },
    }
  }
  // A response that is not what was expected of it is not a model for later ones.
  if (expected === undefined || options.isUpdating) {
    if (failures.length > 0) return { ...(expected !== undefined && { snapshot: expected }), result: { failures } }
    return { snapshot: received, result: { failures, isWritten: true } }
  }
  const difference = differenceOf(expected, received)
  return { snapshot: expected, result: { failures: [...failures, 'it differs from its snapshot'], difference } }
}

async function exchange(
  request: HttpRequest,
  { path, variables, options }: { path: string; variables: Variables; options: RunOptions },
): Promise<ReceivedResponse> {
  const target = variables.fill(request.url)
  const url = target.startsWith('/') ? options.url + target : /^https?:\/\//i.test(target) ? target : `http://${target}`
  if (!URL.canParse(url)) throw new RyoFaasError('INVALID_OPTION', `${target} is not a URL`)
  const headers = request.headers.map(([name, value]): [string, string] => [name, variables.fill(value)])
  const body = await bodyOf(request, { path, variables })
  const begin = performance.now()
  const response = await options.send(url, { method: request.method, headers, ...(body !== undefined && { body }) })
  const bytes = new Uint8Array(await response.arrayBuffer())
  return {
    status: response.status,
    headers: new Map(response.headers),
    bytes,
    durationMs: Math.round(performance.now() - begin),
  }
}

async function bodyOf(
  { body }: HttpRequest,
  { path, variables }: { path: string; variables: Variables },
): Promise<string | Uint8Array | undefined> {
  if (body === undefined) return undefined
  if (body.kind === 'text') return variables.fill(body.text)
  const source = join(dirname(path), variables.fill(body.path))
  try {
    const bytes = await readFile(source)
    return body.hasVariables ? variables.fill(bytes.toString('utf8')) : bytes
  } catch (cause) {
    throw new RyoFaasError('INVALID_OPTION', `the body ${body.path} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function uniqueIn(taken: Set<string>, title: string): string {
  let key = title
  for (let count = 2; taken.has(key); count += 1) key = `${title} (${count})`
  taken.add(key)
  return key
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

async function save(path: string, text: string, isEmpty: boolean): Promise<void> {
  if (isEmpty) return rm(path, { force: true })
  if ((await readIfThere(path)) === text) return
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
