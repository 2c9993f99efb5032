/**
 * How documents and events are written down: as the JSON texts that are answered and relayed, put together from parts
 * that are JSON already, so that nothing is parsed to be passed on.
 *
 * Invariant: a document's text begins with `{"id":…,"table":…,"version":N,"createdAt":"…","editedAt":"…","data":`, and
 * times are 24 characters, so that version, times and data are found by their place.
 */
import type { DocumentEventKind } from '../protocol/index.ts'
import { encodedName, quotedName } from './names.ts'

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
/** Within a JSON string a quote has a backslash in front, so the first of these is the document's own. */
const VERSION = ',"version":'
const CREATED = ',"createdAt":"'
const EDITED = '","editedAt":"'
const DATA = '","data":'

export function documentText({ id, table, version, createdAt, editedAt, data }: DocumentParts): string {
  const head = `{"id":${quotedName(id)},"table":${quotedName(table)}${VERSION}${version}`
  return `${head}${CREATED}${createdAt}${EDITED}${editedAt}${DATA}${data}}`
}

export function readVersion(text: string): number {
  const from = text.indexOf(VERSION) + VERSION.length
  return Number(text.slice(from, text.indexOf(',', from)))
}

export function readCreatedAt(text: string): string {
  const from = createdFrom(text)
  return text.slice(from, from + TIME_LENGTH)
}

export function readEditedAt(text: string): string {
  const from = createdFrom(text) + TIME_LENGTH + EDITED.length
  return text.slice(from, from + TIME_LENGTH)
}

/** JSON text. */
export function readData(text: string): string {
  return text.slice(createdFrom(text) + TIME_LENGTH + EDITED.length + TIME_LENGTH + DATA.length, -1)
}

function createdFrom(text: string): number {
  return text.indexOf(CREATED, text.indexOf(VERSION)) + CREATED.length
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
}

export interface OptionalEventParts {
  traceparent: string | undefined
  tracestate: string | undefined
  baggage: string | undefined
  /** Documents as JSON texts. */
  before: string | undefined
  after: string | undefined
}

/** A `DocumentCloudEvent`. Its time comes early, so that it is found without reading on. */
export function eventText(event: EventParts, optional: OptionalEventParts): string {
  const { sequence, kind, table, id, version, time } = event
  const { traceparent, tracestate, baggage, before, after } = optional
  const trace =
    (traceparent === undefined ? '' : `"traceparent":${JSON.stringify(traceparent)},`) +
    (tracestate === undefined ? '' : `"tracestate":${JSON.stringify(tracestate)},`) +
    (baggage === undefined ? '' : `"baggage":${JSON.stringify(baggage)},`)
  return (
    `{"specversion":"1.0","id":"${sequence}","time":"${time}","type":"ryo-faas.store.${kind}",` +
    `"source":${quotedName(event.source)},"subject":"${encodedName(table)}/${encodedName(id)}",` +
    `"datacontenttype":"application/json","sequence":"${sequence}","eventdepth":${event.depth},${trace}` +
    `"data":{"kind":"${kind}","table":${quotedName(table)},"id":${quotedName(id)},"version":${version}` +
    `${before === undefined ? '' : `,"before":${before}`}${after === undefined ? '' : `,"after":${after}`}}}`
  )
}

const EVENT_TIME = /"time":"([^"]*)"/

export function timeOfEvent(text: string): string {
  return EVENT_TIME.exec(text)?.[1] ?? ''
}
