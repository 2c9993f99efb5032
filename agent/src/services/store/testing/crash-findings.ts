/** What must hold of a store that was killed again and again, from its data and the stream of its events. */
import type { DocumentCloudEvent, StoredDocument } from '@ryo-faas/runtime/protocol'
import { EVENT_HEADERS, messageAt, STREAMS, streamState, type Bus } from '../../../bus/index.ts'
import { type DocumentStore, parseFieldPath } from '../documents/index.ts'
import { documentsOf, eventsOf, found } from '../documents/testing/reading.ts'
import type { Attempt, Memory } from './crash-writers.ts'

type DocumentOf = StoredDocument<{ token: string; n: number }>
type EventOf = DocumentCloudEvent<{ token: string; n: number }>

/** Empty if all is well. */
export async function faultsAfter(store: DocumentStore, bus: Bus, memory: Memory): Promise<string[]> {
  const { first } = await store.logBounds()
  const events = await eventsOf(store)
  const parsed = events.map(({ text }) => JSON.parse(text) as EventOf)
  const texts = await Promise.all((await store.tables()).map(({ table }) => documentsOf(store, table)))
  const documents = texts.flat().map(text => JSON.parse(text) as DocumentOf)
  return [
    ...memory.faults,
    ...(first === 1 && events.every(({ sequence }, at) => sequence === at + 1) ? [] : ['the log has gaps']),
    ...unlikeLog(parsed, documents),
    ...unlikeAnswers(parsed, memory),
    ...(await unlikeIndexes(store)),
    ...(await unlikeStream(bus, events)),
  ]
}

/** Each document is what its events made of it, one after the other. */
function unlikeLog(events: EventOf[], documents: DocumentOf[]): string[] {
  const faults: string[] = []
  const current = new Map<string, { version: number; document: DocumentOf | undefined }>()
  for (const { data } of events) {
    const place = `${data.table}/${data.id}`
    const before = current.get(place)
    if (data.version !== (before?.version ?? 0) + 1)
      faults.push(`${place}: version ${data.version} follows ${before?.version}`)
    if (JSON.stringify(data.before) !== JSON.stringify(before?.document))
      faults.push(`${place}: ${data.version} has another past`)
    current.set(place, { version: data.version, document: data.after })
  }
  const stored = new Map(documents.map(document => [`${document.table}/${document.id}`, document]))
  for (const [place, { document }] of current) {
    if (JSON.stringify(document) !== JSON.stringify(stored.get(place)))
      faults.push(`${place} is not what its last event says`)
    stored.delete(place)
  }
  return [...faults, ...[...stored.keys()].map(place => `${place} has no event`)]
}

function unlikeAnswers(events: EventOf[], { attempts, deletions }: Memory): string[] {
  const faults: string[] = []
  const byToken = new Map<string, EventOf[]>()
  for (const event of events) {
    const token = event.data.after?.data.token
    if (token !== undefined) byToken.set(token, [...(byToken.get(token) ?? []), event])
  }
  for (const attempt of attempts) {
    faults.push(...unlikeAttempt(attempt, byToken.get(attempt.token) ?? []))
    byToken.delete(attempt.token)
  }
  for (const token of byToken.keys()) faults.push(`nobody wrote ${token}, or it was refused`)
  const deleted = new Set(
    events
      .filter(({ data }) => data.kind === 'deleted-doc')
      .map(({ data }) => `${data.table}/${data.id} ${data.version}`),
  )
  for (const { place, version } of deletions) {
    if (!deleted.has(`${place} ${version}`)) faults.push(`the deletion of ${place} is lost`)
  }
  return faults
}

function unlikeAttempt({ token, places, versions }: Attempt, events: EventOf[]): string[] {
  if (versions === undefined && events.length === 0) return []
  const written = events.map(({ data }) => `${data.table}/${data.id}`)
  if (written.join() !== places.join())
    return [`${token}: of ${places.join(' and ')} there is ${written.join() || 'nothing'}`]
  const isApart = events.some(({ sequence }, at) => at > 0 && Number(sequence) !== Number(events[at - 1]!.sequence) + 1)
  if (isApart) return [`${token}: its events are apart`]
  const isOther = versions?.some((version, at) => events[at]!.data.version !== version) ?? false
  return isOther ? [`${token} was answered with another version than it has`] : []
}

async function unlikeIndexes(store: DocumentStore): Promise<string[]> {
  const faults: string[] = []
  for (const { table, documents, indexes } of await store.tables()) {
    const all = await documentsOf(store, table)
    if (all.length !== documents) faults.push(`${table} counts ${documents} documents and has ${all.length}`)
    for (const { field, state } of indexes) {
      const orderBy = { field: parseFieldPath(field), isDescending: false }
      const entries = (await found(store, { table, orderBy })).map(text => JSON.parse(text) as DocumentOf)
      const values = entries.map(({ data }) => data.n)
      const isSorted = values.every((value, at) => at === 0 || values[at - 1]! <= value)
      const isWhole = new Set(entries.map(({ id }) => id)).size === all.length && entries.length === all.length
      if (state !== 'ready' || !isSorted || !isWhole)
        faults.push(`the index of ${table} on ${field} is not its documents`)
    }
  }
  return faults
}

/** The stream holds the log: each event once, in order, as it is. */
async function unlikeStream(bus: Bus, events: { sequence: number; text: string }[]): Promise<string[]> {
  const { messages } = await streamState(bus, STREAMS.events)
  if (messages !== events.length) return [`the stream has ${messages} messages for ${events.length} events`]
  const faults: string[] = []
  for (const { sequence, text } of events) {
    const message = await messageAt(bus, STREAMS.events, sequence)
    const isRight = message?.header(EVENT_HEADERS.sequence) === String(sequence) && message.data.toString() === text
    if (!isRight) faults.push(`message ${sequence} of the stream is another event`)
  }
  return faults
}
