/** What of the shared table is at NATS when a writer begins: of an agent before it, of another one, or a part of a table. */
import { setTimeout as delay } from 'node:timers/promises'
import { BusError, OrderedReader, purge, routesSubject, STREAMS, streamState, type Bus } from '../../bus/index.ts'
import type { RouteTable } from '../route.ts'
import { Entries, HEAD, Head, isMember } from './entries.ts'
import { Member } from './member.ts'
import type { Sealer } from './sealer.ts'

const READ_MS = 5_000
const SLOTS = { free: 4_096, all: 4_096 }
/** Marks of what was removed; whoever misses them finds the digest wrong, and reads all. */
const MAX_MARKS = 256

export interface StoredTable {
  entries: Entries
  /** -1: none. */
  generation: number
  /** Sequence of the head's message. */
  headSequence: number
  /** Digest of the head; that of the entries is another one if they are a part of a table, or of two. */
  digest: string
  members: Member[]
}

/** @throws BusError */
export async function readStored(bus: Bus, sealer: Sealer): Promise<StoredTable> {
  const found: StoredTable = { entries: new Entries(sealer), generation: -1, headSequence: 0, digest: '', members: [] }
  const { messages, lastSequence } = await streamState(bus, STREAMS.routes)
  if (messages === 0) return found
  const marks: string[] = []
  await readUpTo(bus, lastSequence, ({ entry, sequence, data }) => {
    const text = data.length === 0 ? undefined : sealer.open(entry, data)
    if (data.length === 0 && sequence < lastSequence) marks.push(entry)
    if (isMember(entry)) {
      const member = text === undefined ? undefined : Member.safeParse(JSON.parse(text))
      if (member?.success) found.members.push(member.data)
    } else if (entry === HEAD) {
      found.headSequence = sequence
      if (text !== undefined) Object.assign(found, Head.parse(JSON.parse(text)))
    } else {
      // One that cannot be read is as good as another text: it is written over, or removed.
      found.entries.set(entry, data.length === 0 ? undefined : (text ?? ''))
    }
  })
  if (marks.length > MAX_MARKS) {
    for (const entry of marks) await purge(bus, STREAMS.routes, { subject: routesSubject(entry) })
  }
  return found
}

/**
 * What was published last, whole; without what only dispatchers need.
 * @throws BusError
 */
export async function readLastTable(bus: Bus, sealer: Sealer): Promise<RouteTable | undefined> {
  const { entries, generation, digest } = await readStored(bus, sealer)
  return generation < 0 || digest !== entries.digest ? undefined : entries.table(generation)
}

async function readUpTo(
  bus: Bus,
  last: number,
  onEntry: (read: { entry: string; sequence: number; data: Uint8Array }) => void,
): Promise<void> {
  const prefix = routesSubject('').length
  const late = new AbortController()
  let done: () => void
  const isRead = new Promise<void>(resolve => (done = resolve))
  const reader = new OrderedReader(bus, {
    stream: STREAMS.routes,
    name: 'stored-routes',
    filters: [routesSubject('>')],
    after: 0,
    slots: () => SLOTS,
    onMessage: ({ subject, sequence, data }) => {
      onEntry({ entry: subject.slice(prefix), sequence, data })
      if (sequence >= last) done()
    },
    onRefused: () => undefined,
  })
  reader.start()
  try {
    const isLate = delay(READ_MS, true, { signal: late.signal }).catch(() => false)
    if ((await Promise.race([isRead, isLate])) === true)
      throw new BusError('UNAVAILABLE', 'NATS does not hand out the routes')
  } finally {
    late.abort()
    await reader.stop()
  }
}
