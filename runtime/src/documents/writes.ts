/** Writes of documents as data, and what comes of them. */
import type { DocumentEventKind } from '../protocol/index.ts'
import { encodedName } from './names.ts'
import { StoreError, type StoreErrorCode } from './store-error.ts'

/** `any`: the document must exist; a number: it must have this version; `none`: it must not exist. */
export type Precondition = 'any' | 'none' | number

/** `data` and `patch` are JSON texts. A name or id must be legal (see `names.ts`). */
export type WriteOperation =
  | { kind: 'create'; table: string; id?: string; data: string }
  | { kind: 'put'; table: string; id: string; data: string; condition?: Precondition }
  | { kind: 'patch'; table: string; id: string; patch: string; condition?: Precondition }
  | { kind: 'delete'; table: string; id: string; condition?: Precondition }
  | ImportOperation

/** Imports a document with its metadata. Replaces an existing one. */
export interface ImportOperation {
  kind: 'import'
  table: string
  id?: string
  data: string
  version?: number
  createdAt?: string
  editedAt?: string
}

export interface WriteContext {
  /** Without events: for imports. */
  isMuted?: boolean
  /** See `DocumentCloudEvent.eventdepth`. */
  depth?: number
  traceparent?: string
  tracestate?: string
  baggage?: string
}

export interface Written {
  /** What happened to the document. */
  change: DocumentEventKind
  id: string
  version: number
  /** The document as JSON text; '' if it was deleted. */
  document: string
}

export type WriteOutcome =
  | { kind: 'written'; written: Written[] }
  /** Nothing was written: operation `index` failed. */
  | { kind: 'refused'; index: number; code: StoreErrorCode; message: string; version?: number }

export interface FoundDocument {
  version: number
  /** JSON text. */
  text: string
}

export function documentPath(table: string, id: string): string {
  return `/tables/${encodedName(table)}/docs/${encodedName(id)}`
}

/** @throws StoreError if the store refused */
export function writtenOf(outcome: WriteOutcome): Written[] {
  if (outcome.kind === 'written') return outcome.written
  const { code, message, version } = outcome
  throw new StoreError(code, message, { details: version === undefined ? {} : { version } })
}
