/**
 * Names a place in a document. `customer.city` and `items.0.sku` go down into `data`; a key that has a dot itself needs a
 * JSON pointer (RFC 6901): `/prices/10.50`. `$id`, `$version`, `$createdAt` and `$editedAt` are the document's own.
 */
import type { StoredDocument } from '../protocol/index.ts'
import { StoreError } from './store-error.ts'

const OWN_FIELDS = ['id', 'version', 'createdAt', 'editedAt'] as const
type OwnField = (typeof OWN_FIELDS)[number]

/** `path` is the one way to write it. */
export type FieldPath = { path: string } & ({ kind: 'data'; keys: string[] } | { kind: 'own'; field: OwnField })

const LONGEST_PATH = 512
const MOST_KEYS = 64

/** @throws StoreError INVALID_QUERY */
export function parseFieldPath(text: string): FieldPath {
  if (text.startsWith('$')) return ownField(text)
  const keys = text.startsWith('/')
    ? text
        .slice(1)
        .split('/')
        .map(key => unescapePointer(key, text))
    : text.split('.')
  if (text.length > LONGEST_PATH || keys.length > MOST_KEYS) throw invalid(text, 'is too long')
  if (!text.startsWith('/') && keys.includes('')) throw invalid(text, 'has an empty part')
  return { kind: 'data', keys, path: formatPath(keys) }
}

/** `undefined` if the document lacks it. */
export function valueAt(document: StoredDocument, field: FieldPath): unknown {
  if (field.kind === 'own') return document[field.field]
  let value = document.data
  for (const key of field.keys) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    if (Array.isArray(value) && key === 'length') return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

function ownField(text: string): FieldPath {
  const field = OWN_FIELDS.find(name => `$${name}` === text)
  if (field === undefined) throw invalid(text, `is none of ${OWN_FIELDS.map(name => `$${name}`).join(', ')}`)
  return { kind: 'own', field, path: text }
}

function formatPath(keys: string[]): string {
  const isPlain = !/^[$/]/.test(keys[0]!) && keys.every(key => key !== '' && !key.includes('.'))
  if (isPlain) return keys.join('.')
  return keys.map(key => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function unescapePointer(key: string, text: string): string {
  if (/~(?![01])/.test(key)) throw invalid(text, 'is not a JSON pointer: "~" must be written "~0"')
  return key.replaceAll('~1', '/').replaceAll('~0', '~')
}

function invalid(text: string, problem: string): StoreError {
  return new StoreError('INVALID_QUERY', `the field ${JSON.stringify(text.slice(0, 80))} ${problem}`)
}
