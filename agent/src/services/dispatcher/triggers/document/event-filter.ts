/** Which events a trigger matches: by subject at the server, by the rest here. */
import { EVENT_HEADERS, eventSubject, type Delivery } from '../../../../bus/index.ts'
import type { DocumentTrigger, StartFrom } from '../../../../contract/index.ts'

/** A subscription to more single documents than this reads their whole table. */
const MOST_SUBJECTS = 64

export class EventFilter {
  /** For the server, which refuses overlaps. */
  readonly subjects: string[]
  readonly #single: ReadonlySet<string>
  /** The subject up to the id. */
  readonly #tables: readonly string[]
  readonly #from: StartFrom

  constructor(filters: DocumentTrigger[], from: StartFrom) {
    this.#from = from
    this.#tables = [...new Set(filters.filter(({ ids }) => ids === undefined).flatMap(tablePrefixes))]
    this.#single = new Set(filters.flatMap(documentSubjects).filter(subject => !this.#isInTable(subject)))
    const isFew = this.#tables.length + this.#single.size <= MOST_SUBJECTS
    const others = isFew ? this.#single : filters.flatMap(tablePrefixes).map(prefix => `${prefix}*`)
    this.subjects = [...new Set([...this.#tables.map(prefix => `${prefix}*`), ...others])]
  }

  wants(message: Delivery): boolean {
    const from = this.#from
    const sequence = Number(message.header(EVENT_HEADERS.sequence) ?? NaN)
    // Without one it is not an event, which the reader reports.
    if (from.kind === 'sequence' && sequence > 0 && sequence < from.sequence) return false
    return this.#single.has(message.subject) || this.#isInTable(message.subject)
  }

  #isInTable(subject: string): boolean {
    return this.#tables.some(prefix => subject.startsWith(prefix))
  }
}

function tablePrefixes({ table, events }: DocumentTrigger): string[] {
  return events.map(kind => eventSubject({ kind, table }).slice(0, -1))
}

function documentSubjects({ table, events, ids = [] }: DocumentTrigger): string[] {
  return events.flatMap(kind => ids.map(id => eventSubject({ kind, table, id })))
}
