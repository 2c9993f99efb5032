/**
 * Clients of a store that is killed under them. Each remembers what it asked for and what it was answered; a request
 * without an answer may have been carried out or not, and the store is asked later which.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../../../../test/chaos/seeded-random.ts'
import { ask, type Answer } from '../store-testing.ts'

/** A write, known by the token that it leaves in its document. */
export interface Attempt {
  token: string
  /** `table/id` of the documents that carry it; more than one: all or none. */
  places: string[]
  /** Versions that the store said they have; absent: it gave no answer. */
  versions?: number[]
}

export interface Memory {
  /** All writes that were ever asked for and not refused. */
  attempts: Attempt[]
  deletions: { place: string; version: number }[]
  /** What the store should not have answered. */
  faults: string[]
  unanswered: number
}

export interface WriterOptions {
  port: () => number
  number: number
  random: SeededRandom
  memory: Memory
  signal: AbortSignal
}

interface Versioned {
  version: number
}

export const TABLES = ['crash', 'crash/of 😀.things'] as const
export const INDEXED = 'n'
/** All writers are after this one. */
export const CONTESTED = 'crash/contested'
const PAUSE_MS = 20
const TRANSIENT = [503, 507]
const UNKNOWN = 504

export async function runWriter(options: WriterOptions): Promise<void> {
  const { number, random, signal } = options
  for (let n = 0; !signal.aborted; n += 1) {
    const token = `${number}.${n}`
    const share = random.next()
    if (share < 0.2) await batch(options, token)
    else if (share < 0.35) await contend(options, token)
    else await change(options, token)
  }
}

/** Creates, replaces, merges or deletes a document of its own. */
async function change(options: WriterOptions, token: string): Promise<void> {
  const { number, random, memory } = options
  const [table, id] = [random.pick(TABLES), `w${number}-${random.below(4)}`]
  const path = pathOf(table, id)
  const current = await settled(options, `GET ${path}`)
  if (current === undefined) return
  const data = { token, [INDEXED]: random.below(100) }
  if (current.status === 404) {
    return record(
      memory,
      { token, places: [`${table}/${id}`] },
      await send(options, `PUT ${path}`, { data }, { 'if-none-match': '*' }),
    )
  }
  const condition = { 'if-match': String(current.headers.etag) }
  if (random.next() < 0.15) {
    const answer = await send(options, `DELETE ${path}`, undefined, condition)
    if (answer?.status === 204)
      memory.deletions.push({ place: `${table}/${id}`, version: (current.json as Versioned).version + 1 })
    return
  }
  const answer =
    random.next() < 0.5
      ? await send(options, `PUT ${path}`, { data }, condition)
      : await send(options, `PATCH ${path}`, data, condition)
  record(memory, { token, places: [`${table}/${id}`] }, answer)
}

/** Two fresh documents, each in another table. */
async function batch(options: WriterOptions, token: string): Promise<void> {
  const data = { token, [INDEXED]: options.random.below(100) }
  const operations = TABLES.map(table => ({ op: 'create', table, id: `b${token}`, data }))
  const answer = await send(options, 'POST /batch', { operations })
  record(options.memory, { token, places: TABLES.map(table => `${table}/b${token}`) }, answer)
}

/** Replaces the one document that everybody replaces, if nobody was faster. */
async function contend(options: WriterOptions, token: string): Promise<void> {
  const [table, id] = CONTESTED.split('/') as [string, string]
  const current = await settled(options, `GET ${pathOf(table, id)}`)
  if (current === undefined) return
  const condition = current.status === 404 ? { 'if-none-match': '*' } : { 'if-match': String(current.headers.etag) }
  const answer = await send(options, `PUT ${pathOf(table, id)}`, { data: { token, [INDEXED]: 0 } }, condition)
  if (answer?.status !== 412) record(options.memory, { token, places: [CONTESTED] }, answer)
}

function record(memory: Memory, attempt: Attempt, answer: Answer | undefined): void {
  // It says that it does not know: as good as no answer.
  if (answer === undefined || answer.status === UNKNOWN) {
    memory.unanswered += 1
    memory.attempts.push(attempt)
  } else if (answer.status === 200 || answer.status === 201) {
    const json = answer.json as Versioned & { results?: Versioned[] }
    const documents = json.results ?? [json]
    memory.attempts.push({ ...attempt, versions: documents.map(({ version }) => version) })
  } else if (!TRANSIENT.includes(answer.status)) {
    memory.faults.push(
      `${attempt.places.join(' and ')} of nobody else was answered with ${answer.status} ${answer.text}`,
    )
  }
}

/** Asks until the document or its absence is known, `undefined` if it is too late for that. */
async function settled(options: WriterOptions, what: string): Promise<Answer | undefined> {
  for (;;) {
    const answer = await send(options, what)
    if (answer !== undefined && !TRANSIENT.includes(answer.status)) return answer
    if (options.signal.aborted) return undefined
    await delay(PAUSE_MS)
  }
}

/** `undefined`: there is no telling. */
async function send(
  { port }: WriterOptions,
  what: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer | undefined> {
  try {
    return await ask(port(), what, { headers, ...(body !== undefined && { body }) })
  } catch {
    await delay(PAUSE_MS)
    return undefined // Killed in the middle, or not back yet: that is what this is about.
  }
}

function pathOf(table: string, id: string): string {
  return `/tables/${encodeURIComponent(table)}/docs/${encodeURIComponent(id)}`
}
