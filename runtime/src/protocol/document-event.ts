/**
 * The one shape in which a change of a document travels: written by the store in the transaction of the change, relayed
 * over the bus, posted to a function. CloudEvents 1.0 in structured JSON (`application/cloudevents+json`); extension
 * attributes are lower case, as its naming rules ask.
 */
export const DOCUMENT_EVENT_KINDS = ['new-doc', 'updated-doc', 'deleted-doc'] as const
export type DocumentEventKind = (typeof DOCUMENT_EVENT_KINDS)[number]

/** A document as the store returns it. Times are ISO 8601 in UTC with milliseconds. */
export interface StoredDocument<T = unknown> {
  id: string
  table: string
  /** Counts from 1 with every write. */
  version: number
  createdAt: string
  editedAt: string
  data: T
}

export interface DocumentCloudEvent<T = unknown> {
  specversion: '1.0'
  /** `<sequence>` in the store's log: unique within `source`. */
  id: string
  /** Which store: `/ryo-faas/<project>/store`. */
  source: string
  /** `ryo-faas.store.<kind>` */
  type: `ryo-faas.store.${DocumentEventKind}`
  /** `<table>/<id>`, each percent-encoded (RFC 3986). */
  subject: string
  /** When the change was written. */
  time: string
  datacontenttype: 'application/json'
  /** Decimal; counts from 1 over all tables, without gaps. */
  sequence: string
  /** How many document events led to this write, not counting this one; 0 for a write from outside. */
  eventdepth: number
  /** W3C Trace Context of the write (CloudEvents distributed tracing extension). */
  traceparent?: string
  tracestate?: string
  /** W3C Baggage of the write, unchanged. */
  baggage?: string
  data: {
    kind: DocumentEventKind
    table: string
    /** Id of the document. */
    id: string
    /** Version of the document after the change; a deletion counts as a version. */
    version: number
    /** Absent for `new-doc`. */
    before?: StoredDocument<T>
    /** Absent for `deleted-doc`. */
    after?: StoredDocument<T>
  }
}
