/**
 * Clients that read and write a few documents of a store that is killed under them, with all that they saw and when; then
 * whether each document behaved like one that is changed by one client at a time.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Answer } from '../store-testing.ts'
import { documentModel, type DocumentInput, type DocumentOperation, type DocumentOutput } from './document-model.ts'
import { isLinearizable } from './linearizability.ts'
import { SeededRandom } from '../../../../test/chaos/seeded-random.ts'
import { StoreProcess } from './store-process.ts'

export interface HistoryOptions {
  seed: number
  clients: number
  kills: number
  longestLifeMs: number
  /** Entry of the store. */
  main: string
  /** Where the documents are; default: in the store's folder. It is killed as often as the store. */
  database?: { url(): string; kill(): Promise<void>; start(): Promise<void> }
}

export interface HistoryReport {
  operations: number
  unanswered: number
  /** Documents whose history no order of the operations explains. */
  faults: string[]
}

const DOCUMENTS = 4
const PAUSE_MS = 10

export async function runHistories(options: HistoryOptions): Promise<HistoryReport> {
  const { seed, clients, kills, longestLifeMs, main, database } = options
  const folder = await mkdtemp(join(tmpdir(), 'store-history-'))
  const store = new StoreProcess(folder, main, database ? { database: database.url() } : {})
  const histories = Array.from({ length: DOCUMENTS }, (): DocumentOperation[] => [])
  const random = new SeededRandom(seed)
  const stop = new AbortController()
  try {
    await store.start()
    const running = Array.from({ length: clients }, (_, number) =>
      runClient({ number, random: new SeededRandom(seed * 1_000 + number), store, histories, signal: stop.signal }),
    )
    for (let kill = 0; kill < kills; kill += 1) {
      await delay(random.next() * longestLifeMs)
      if (database !== undefined) {
        await database.kill()
        await database.start()
        await delay(random.next() * longestLifeMs)
      }
      await store.kill()
      await store.start()
    }
    await delay(longestLifeMs)
    stop.abort()
    await Promise.all(running)
  } finally {
    stop.abort()
    await store.kill()
    await rm(folder, { recursive: true, force: true })
  }
  const all = histories.flat()
  return {
    operations: all.length,
    unanswered: all.filter(({ answeredAt }) => answeredAt === Infinity).length,
    faults: histories.flatMap((history, at) =>
      isLinearizable(history, documentModel) ? [] : [`document ${at}: ${JSON.stringify(history)}`],
    ),
  }
}

interface ClientOptions {
  number: number
  random: SeededRandom
  store: StoreProcess
  histories: DocumentOperation[][]
  signal: AbortSignal
}

async function runClient({ number, random, store, histories, signal }: ClientOptions): Promise<void> {
  const seen = new Array<number>(DOCUMENTS).fill(0)
  for (let n = 0; !signal.aborted; n += 1) {
    const document = random.below(DOCUMENTS)
    const input = chooseInput(random.next(), { value: `${number}.${n}`, seen: seen[document]! })
    const calledAt = performance.now()
    const answer = await send(store.port, `/tables/history/docs/d${document}`, input).catch((error: unknown) => error)
    const output = answer instanceof Error ? unanswered(answer) : readAnswer(answer as Answer)
    if (output?.kind === 'done') seen[document] = output.version
    if (output?.kind === 'absent' || output?.kind === 'deleted') seen[document] = 0
    // What was not read says nothing.
    if (output !== undefined || input.kind !== 'get') {
      const answeredAt = output === undefined ? Infinity : performance.now()
      histories[document]!.push({ calledAt, answeredAt, input, ...(output && { output }) })
    }
    if (output === undefined || output.kind === 'not-done') await delay(PAUSE_MS)
  }
}

function chooseInput(share: number, { value, seen }: { value: string; seen: number }): DocumentInput {
  if (share < 0.4) return { kind: 'get' }
  if (share < 0.65) return { kind: 'put', value }
  if (share < 0.92) return { kind: 'put', value, ifVersion: seen }
  return { kind: 'delete' }
}

function send(port: number, path: string, input: DocumentInput): Promise<Answer> {
  switch (input.kind) {
    case 'get':
      return ask(port, `GET ${path}`)
    case 'delete':
      return ask(port, `DELETE ${path}`)
    case 'put': {
      const { value, ifVersion } = input
      const condition = ifVersion === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${ifVersion}"` }
      return ask(port, `PUT ${path}`, { body: { data: value }, headers: ifVersion === undefined ? {} : condition })
    }
  }
}

/** A request that nobody was there to take did nothing. */
function unanswered(error: NodeJS.ErrnoException): DocumentOutput | undefined {
  return error.code === 'ECONNREFUSED' ? { kind: 'not-done' } : undefined
}

/** Without one it is not known what became of it. */
function readAnswer({ status, json, text }: Answer): DocumentOutput | undefined {
  switch (status) {
    case 200:
    case 201: {
      const { version, data } = json as { version: number; data: string }
      return { kind: 'done', version, value: data }
    }
    case 204:
      return { kind: 'deleted' }
    case 404:
      return { kind: 'absent' }
    case 412:
      return { kind: 'refused' }
    case 503:
      return { kind: 'not-done' }
    case 504:
      return undefined
    default:
      throw new Error(`an answer that is not expected: ${status} ${text}`)
  }
}
