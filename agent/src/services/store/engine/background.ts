/**
 * What is done in small transactions between the others': building indexes, and sweeping what lost its owner. How far it
 * came is part of each transaction, so it goes on where it was after a crash.
 */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { idOf, prefixed } from './keys.ts'
import { readState, readTables, STATE, writeState, type Garbage } from './table-records.ts'
import type { Writer } from './writer.ts'

/** Documents or keys in one transaction. */
const STEP = 500

/** Inside a transaction. @returns whether there may be more to do. */
export function backgroundStep(writer: Writer): boolean {
  return buildStep(writer) || sweepStep(writer)
}

function buildStep(writer: Writer): boolean {
  const name = unfinishedTable(writer)
  if (name === undefined) return false
  const { record, paths, space } = writer.knownTable(name)!
  const at = record.indexes.findIndex(({ state }) => state === 'building')
  const index = record.indexes[at]!
  const range = writer.environment.documents.getRange({
    start: index.through === undefined ? prefixed(space) : prefixed(space, index.through),
    exclusiveStart: true,
    end: prefixed(space + 1),
    limit: STEP,
  })
  let taken = 0
  for (const { key, value } of [...range]) {
    writer.putEntry(index, paths[at]!, JSON.parse(value.toString('utf8')) as StoredDocument)
    index.through = idOf(key)
    taken += 1
  }
  index.done += taken
  if (taken < STEP) {
    index.state = 'ready'
    delete index.through
  }
  writer.changed(name)
  return true
}

function unfinishedTable(writer: Writer): string | undefined {
  for (const [name, { indexes }] of readTables(writer.environment)) {
    if (indexes.some(({ state }) => state === 'building')) return name
  }
  return undefined
}

function sweepStep(writer: Writer): boolean {
  const garbage = readState<Garbage[]>(writer.environment, STATE.garbage) ?? []
  const [first, ...rest] = garbage
  if (first === undefined) return false
  const { documents, versions, index } = writer.environment
  const range = { start: prefixed(first.number), end: prefixed(first.number + 1), limit: STEP }
  let swept = 0
  for (const database of first.kind === 'space' ? [documents, versions] : [index]) {
    for (const key of [...database.getKeys(range)]) {
      database.removeSync(key)
      swept += 1
    }
  }
  if (swept === 0) writeState(writer.environment, STATE.garbage, rest)
  return true
}
