/**
 * Evaluates a list of operations, each on the result of those before it, and returns the outcome for each document, or
 * refuses the whole list. Changes nothing.
 */
import type { DocumentEventKind } from '../protocol/index.ts'
import { documentText, readCreatedAt, readData, readVersion } from './texts.ts'
import type { ImportOperation, Precondition, WriteOperation, WriteOutcome } from './writes.ts'

/** @typeParam Place where a store keeps a document */
export interface PlanningView<Place> {
  /** ISO time. */
  now: string
  nextId(): string
  /** Undefined while there is no such table. */
  placeOf(table: string, id: string): Place | undefined
  /** Text of a document. */
  document(place: Place): string | undefined
  /** Version that a deleted document had last; 0 if none is known. */
  lastVersion(place: Place): number
}

export interface Change<Place> {
  kind: DocumentEventKind
  table: string
  id: string
  version: number
  /** Absent if the table is yet to be made. */
  place: Place | undefined
  /** Texts of the document. */
  before: string | undefined
  after: string | undefined
  /** It was there before, and deleted. */
  isReborn: boolean
}

type Refusal = Extract<WriteOutcome, { kind: 'refused' }>
export type Plan<Place> = { kind: 'planned'; changes: Change<Place>[] } | Refusal

interface Current<Place> {
  id: string
  place: Place | undefined
  text: string | undefined
  lastVersion: number
}

/** Characters of documents, before and after, that a list of writes may be about: each of them is kept with its event. */
const MOST_MADE = 16 * 1024 * 1024

export function planWrites<Place>(operations: readonly WriteOperation[], view: PlanningView<Place>): Plan<Place> {
  const changes: Change<Place>[] = []
  let made = 0
  for (const [index, operation] of operations.entries()) {
    const current = currentOf(operation, { view, changes })
    const change = judge(operation, current, view.now)
    if (change.kind === 'refused') return { ...change, index }
    made += (change.before?.length ?? 0) + (change.after?.length ?? 0)
    // An import is cut into lists of its own; a few small patches of a large document are many large documents.
    if (made > MOST_MADE && operation.kind !== 'import') {
      const message = 'with it, the documents and events of this batch are over 16 million characters: split the batch'
      return { ...refused('BATCH_TOO_LARGE', message), index }
    }
    changes.push(change)
  }
  return { kind: 'planned', changes }
}

function currentOf<Place>(
  { table, id }: WriteOperation,
  { view, changes }: { view: PlanningView<Place>; changes: Change<Place>[] },
): Current<Place> {
  // A fresh id has no history.
  if (id === undefined) {
    const fresh = view.nextId()
    return { id: fresh, place: view.placeOf(table, fresh), text: undefined, lastVersion: 0 }
  }
  const place = view.placeOf(table, id)
  const earlier = changes.findLast(change => change.id === id && change.table === table)
  if (earlier !== undefined) return { id, place, text: earlier.after, lastVersion: earlier.version }
  if (place === undefined) return { id, place, text: undefined, lastVersion: 0 }
  const text = view.document(place)
  return { id, place, text, lastVersion: text === undefined ? view.lastVersion(place) : 0 }
}

function judge<Place>(
  operation: WriteOperation,
  current: Current<Place>,
  now: string,
): Change<Place> | Omit<Refusal, 'index'> {
  const { table } = operation
  const { id, text, place } = current
  const version = text === undefined ? undefined : readVersion(text)
  if (operation.kind !== 'create' && operation.kind !== 'import' && operation.condition !== undefined) {
    const refusal = checkCondition(operation.condition, version)
    if (refusal !== undefined) return refusal
  }
  const changed = (after: string | undefined, next: number): Change<Place> => ({
    kind: after === undefined ? 'deleted-doc' : text === undefined ? 'new-doc' : 'updated-doc',
    table,
    id,
    version: next,
    place,
    before: text,
    after,
    isReborn: text === undefined && current.lastVersion > 0,
  })
  const next = (version ?? current.lastVersion) + 1
  const written = (data: string): Change<Place> => {
    const createdAt = text === undefined ? now : readCreatedAt(text)
    return changed(documentText({ id, table, version: next, createdAt, editedAt: now, data }), next)
  }
  switch (operation.kind) {
    case 'create':
      if (version !== undefined) {
        return refused(
          'DOCUMENT_EXISTS',
          `table ${JSON.stringify(table)} has a document ${JSON.stringify(id)}`,
          version,
        )
      }
      return written(operation.data)
    case 'put':
      return written(operation.data)
    case 'patch':
      if (text === undefined) return missing(table, id)
      return written(patched(readData(text), operation.patch))
    case 'delete':
      return text === undefined ? missing(table, id) : changed(undefined, next)
    case 'import': {
      const taken = operation.version ?? next
      return changed(importedText(operation, { id, version: taken, now }), taken)
    }
  }
}

function checkCondition(condition: Precondition, version: number | undefined): Omit<Refusal, 'index'> | undefined {
  if (condition === 'none') {
    return version === undefined
      ? undefined
      : refused('PRECONDITION_FAILED', `the document exists, in version ${version}`, version)
  }
  if (version === undefined) return refused('PRECONDITION_FAILED', 'the document does not exist')
  if (condition === 'any' || condition === version) return undefined
  return refused('PRECONDITION_FAILED', `the document is in version ${version}, not in ${condition}`, version)
}

function importedText(
  { table, data, createdAt, editedAt }: ImportOperation,
  { id, version, now }: { id: string; version: number; now: string },
): string {
  const created = createdAt ?? editedAt ?? now
  return documentText({ id, table, version, createdAt: created, editedAt: editedAt ?? now, data })
}

function patched(data: string, patch: string): string {
  return JSON.stringify(mergePatch(JSON.parse(data), JSON.parse(patch)))
}

function missing(table: string, id: string): Omit<Refusal, 'index'> {
  return refused('DOCUMENT_NOT_FOUND', `table ${JSON.stringify(table)} has no document ${JSON.stringify(id)}`)
}

function refused(code: Refusal['code'], message: string, version?: number): Omit<Refusal, 'index'> {
  return { kind: 'refused', code, message, ...(version !== undefined && { version }) }
}

/** JSON merge patch (RFC 7386): what the patch has replaces what the target has, `null` removes. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  // Without a prototype, so that a key named `__proto__` is a key like any other.
  const result = Object.assign(Object.create(null) as Record<string, unknown>, isObject(target) ? target : {})
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value)
  }
  return result
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
