/** Which events a trigger wants: by subject as far as the server can look, by the rest here. */
import { EVENT_HEADERS, eventSubject } from '../../../bus/index.ts'
import type { DispatchedTrigger } from '../options.ts'
import type { Delivery } from '../pacing/puller.ts'

/** A subscription to more single documents than this looks at all of their table. */
const MOST_SUBJECTS = 64

type Filter = DispatchedTrigger['filters'][0]

export class EventFilter {
  /** For the server. They do not overlap, which it would refuse. */
  readonly subjects: string[]
  private readonly single: ReadonlySet<string>
  /** Up to the id. */
  private readonly tables: readonly string[]
  private readonly from: DispatchedTrigger['start']['from']

  constructor({ filters, start }: DispatchedTrigger) {
    this.from = start.from
    this.tables = [...new Set(filters.filter(({ ids }) => ids === undefined).flatMap(tablePrefixes))]
    this.single = new Set(filters.flatMap(documentSubjects).filter(subject => !this.isInTable(subject)))
    const isFew = this.tables.length + this.single.size <= MOST_SUBJECTS
    const others = isFew ? this.single : filters.flatMap(tablePrefixes).map(prefix => `${prefix}*`)
    this.subjects = [...new Set([...this.tables.map(prefix => `${prefix}*`), ...others])]
  }

  wants({ subject, headers }: Delivery): boolean {
    const { from } = this
    const sequence = Number(headers?.get(EVENT_HEADERS.sequence))
    // Without one it is no event, which is for the reader to find out.
    if (from.kind === 'sequence' && sequence > 0 && sequence < from.sequence) return false
    return this.single.has(subject) || this.isInTable(subject)
  }

  private isInTable(subject: string): boolean {
    return this.tables.some(prefix => subject.startsWith(prefix))
  }
}

function tablePrefixes({ table, events }: Filter): string[] {
  return events.map(kind => eventSubject({ kind, table }).slice(0, -1))
}

function documentSubjects({ table, events, ids = [] }: Filter): string[] {
  return events.flatMap(kind => ids.map(id => eventSubject({ kind, table, id })))
}
