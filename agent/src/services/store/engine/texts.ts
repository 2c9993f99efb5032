/**
 * How documents and events are written down: as the JSON texts that are answered and relayed, put together from parts
 * that are JSON already, so that nothing is parsed to be passed on.
 *
 * Invariant: a document's text begins with `{"id":…,"table":…,"version":N,"createdAt":"…","editedAt":"…","data":`, and
 * times are 24 characters, so that version, times and data are found by their place.
 */
import type { DocumentEventKind } from '@ryo-faas/runtime/protocol'

export interface DocumentParts {
  id: string
  table: string
  version: number
  createdAt: string
  editedAt: string
  /** JSON text. */
  data: string
}

const TIME_LENGTH = 24
const CREATED = ',"createdAt":"'
const EDITED = '","editedAt":"'
const DATA = '","data":'

export function documentText({ id, table, version, createdAt, editedAt, data }: DocumentParts): string {
  return `${documentHead(table, id)}${version}${CREATED}${createdAt}${EDITED}${editedAt}${DATA}${data}}`
}

export function readDocument(text: string, table: string, id: string): DocumentParts {
  const from = documentHead(table, id).length
  const versionEnd = text.indexOf(',', from)
  const created = versionEnd + CREATED.length
  const edited = created + TIME_LENGTH + EDITED.length
  return {
    id,
    table,
    version: Number(text.slice(from, versionEnd)),
    createdAt: text.slice(created, created + TIME_LENGTH),
    editedAt: text.slice(edited, edited + TIME_LENGTH),
    data: text.slice(edited + TIME_LENGTH + DATA.length, -1),
  }
}

/** The version alone. */
export function readVersion(text: string, table: string, id: string): number {
  const from = documentHead(table, id).length
  return Number(text.slice(from, text.indexOf(',', from)))
}

function documentHead(table: string, id: string): string {
  return `{"id":${JSON.stringify(id)},"table":${JSON.stringify(table)},"version":`
}

export interface EventParts {
  sequence: number
  source: string
  kind: DocumentEventKind
  table: string
  id: string
  version: number
  time: string
  depth: number
  traceparent?: string | undefined
  tracestate?: string | undefined
  /** Documents as JSON texts. */
  before?: string | undefined
  after?: string | undefined
}

/** A `DocumentCloudEvent`. Its time comes early, so that it is found without reading on. */
export function eventText(event: EventParts): string {
  const { sequence, kind, table, id, version, time, before, after } = event
  const subject = `${encodeURIComponent(table)}/${encodeURIComponent(id)}`
  const trace =
    (event.traceparent === undefined ? '' : `"traceparent":${JSON.stringify(event.traceparent)},`) +
    (event.tracestate === undefined ? '' : `"tracestate":${JSON.stringify(event.tracestate)},`)
  return (
    `{"specversion":"1.0","id":"${sequence}","time":"${time}","type":"ryo-faas.store.${kind}",` +
    `"source":${JSON.stringify(event.source)},"subject":${JSON.stringify(subject)},` +
    `"datacontenttype":"application/json","sequence":"${sequence}","eventdepth":${event.depth},${trace}` +
    `"data":{"kind":"${kind}","table":${JSON.stringify(table)},"id":${JSON.stringify(id)},"version":${version}` +
    `${before === undefined ? '' : `,"before":${before}`}${after === undefined ? '' : `,"after":${after}`}}}`
  )
}

const EVENT_TIME = /"time":"([^"]*)"/

export function timeOfEvent(text: string): string {
  return EVENT_TIME.exec(text)?.[1] ?? ''
}
