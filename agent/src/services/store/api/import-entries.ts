/**
 * One entry of an import, as an operation. An entry is either a document as it is exported, `{id?, version?,
 * createdAt?, editedAt?, data}`, or (plain) the data itself, whose `id` is taken for the document's.
 */
import { objectBody, StoreError } from '@ryo-faas/runtime/documents'
import { checkName, type ImportOperation } from '../documents/index.ts'

const KEYS = ['id', 'table', 'version', 'createdAt', 'editedAt', 'data']

/** @throws StoreError INVALID_REQUEST, INVALID_NAME */
export function documentEntry(table: string, value: unknown): ImportOperation {
  const { id, version, createdAt, editedAt, ...entry } = objectBody(value, KEYS)
  if (!Object.hasOwn(entry, 'data')) {
    throw new StoreError('INVALID_REQUEST', 'the entry has no "data"; import with plain=true if it is the data itself')
  }
  if (version !== undefined && !(Number.isSafeInteger(version) && Number(version) >= 1)) {
    throw new StoreError('INVALID_REQUEST', '"version" must be a whole number from 1')
  }
  return {
    ...{ kind: 'import', table, data: JSON.stringify(entry['data']) },
    ...(id !== undefined && { id: idOf(id) }),
    ...(version !== undefined && { version: Number(version) }),
    ...(createdAt !== undefined && { createdAt: timeOf('createdAt', createdAt) }),
    ...(editedAt !== undefined && { editedAt: timeOf('editedAt', editedAt) }),
  }
}

/** @param id the entry's id, if it contains none */
export function plainEntry(table: string, value: unknown, id?: string): ImportOperation {
  const own =
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'id')
      ? (value as { id: unknown }).id
      : undefined
  const name = id ?? own
  const data = JSON.stringify(value)
  return { kind: 'import', table, data, ...(name !== undefined && name !== null && { id: idOf(name) }) }
}

/** Numbers are common in files of other stores. */
function idOf(id: unknown): string {
  if (typeof id !== 'string' && typeof id !== 'number') {
    throw new StoreError('INVALID_REQUEST', '"id" must be a string or a number')
  }
  return checkName('id', String(id))
}

function timeOf(name: string, value: unknown): string {
  const time = typeof value === 'string' ? Date.parse(value) : NaN
  if (Number.isNaN(time)) throw new StoreError('INVALID_REQUEST', `"${name}" must be an ISO time`)
  const iso = new Date(time).toISOString()
  // Years before 0 and after 9999 take more room.
  if (iso.length !== 24) throw new StoreError('INVALID_REQUEST', `"${name}" is too far away`)
  return iso
}
