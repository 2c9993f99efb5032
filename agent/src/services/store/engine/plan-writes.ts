/**
 * Judges a list of operations, each on what those before it have made, and says what becomes of which document; or
 * refuses the whole list. Changes nothing.
 */
import type { DocumentEventKind } from '@ryo-faas/runtime/protocol'
import type { ImportOperation, Precondition, WriteOperation, WriteOutcome } from './document-store.ts'
import { prefixed } from './keys.ts'
import { mergePatch } from './merge-patch.ts'
import { documentText, readCreatedAt, readData, readVersion } from './texts.ts'

export interface PlanningTable {
  name: string
  space: number
}

export interface PlanningView {
  /** ISO time. */
  now: string
  nextId(): string
  table(name: string): PlanningTable | undefined
  /** Text of a document. */
  document(key: Buffer): string | undefined
  /** Version that a deleted document had last; 0 if nothing is known of one. */
  lastVersion(key: Buffer): number
}

export interface Change {
  kind: DocumentEventKind
  table: string
  id: string
  version: number
  /** Absent if the table is yet to be made. */
  key: Buffer | undefined
  /** Texts of the document. */
  before: string | undefined
  after: string | undefined
  /** It was there before, and deleted. */
  isReborn: boolean
}

type Refusal = Extract<WriteOutcome, { kind: 'refused' }>
export type Plan = { kind: 'planned'; changes: Change[] } | Refusal

interface Current {
  id: string
  key: Buffer | undefined
  text: string | undefined
  lastVersion: number
}

/** Characters of documents, before and after, that a list of writes may be about: each of them is kept with its event. */
const MOST_MADE = 16 * 1024 * 1024

export function planWrites(operations: readonly WriteOperation[], view: PlanningView): Plan {
  const changes: Change[] = []
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

function currentOf(
  { table: name, id }: WriteOperation,
  { view, changes }: { view: PlanningView; changes: Change[] },
): Current {
  const table = view.table(name)
  // A fresh id has no past.
  if (id === undefined) {
    const fresh = view.nextId()
    return { id: fresh, key: table && prefixed(table.space, fresh), text: undefined, lastVersion: 0 }
  }
  const key = table && prefixed(table.space, id)
  const earlier = changes.findLast(change => change.id === id && change.table === name)
  if (earlier !== undefined) return { id, key, text: earlier.after, lastVersion: earlier.version }
  const text = key && view.document(key)
  return { id, key, text, lastVersion: text === undefined && key !== undefined ? view.lastVersion(key) : 0 }
}

function judge(operation: WriteOperation, current: Current, now: string): Change | Omit<Refusal, 'index'> {
  const { table } = operation
  const { id, text, key } = current
  const version = text === undefined ? undefined : readVersion(text)
  if (operation.kind !== 'create' && operation.kind !== 'import' && operation.condition !== undefined) {
    const refusal = checkCondition(operation.condition, version)
    if (refusal !== undefined) return refusal
  }
  const changed = (after: string | undefined, next: number): Change => ({
    kind: after === undefined ? 'deleted-doc' : text === undefined ? 'new-doc' : 'updated-doc',
    table,
    id,
    version: next,
    key,
    before: text,
    after,
    isReborn: text === undefined && current.lastVersion > 0,
  })
  const next = (version ?? current.lastVersion) + 1
  const written = (data: string): Change => {
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
