/** Several writes at once: how they are asked for, and answered. */
import { checkName } from './names.ts'
import { dataOf, idOf, listed, objectBody } from './requests.ts'
import { StoreError } from './store-error.ts'
import type { Precondition, WriteOperation, WriteOutcome, Written } from './writes.ts'

const MOST_OPERATIONS = 1_000
const KEYS = ['op', 'table', 'id', 'data', 'patch', 'ifMatch'] as const
/** Fields of each operation apart from `op` and `table`. */
const TAKES = {
  create: ['id', 'data'],
  put: ['id', 'data', 'ifMatch'],
  patch: ['id', 'patch', 'ifMatch'],
  delete: ['id', 'ifMatch'],
} as const

/** @throws StoreError INVALID_REQUEST, INVALID_NAME */
export function readBatch(body: unknown): WriteOperation[] {
  const { operations } = objectBody(body, ['operations'])
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MOST_OPERATIONS) {
    throw new StoreError('INVALID_REQUEST', `"operations" must be a list of 1 to ${MOST_OPERATIONS} operations`)
  }
  return operations.map(operationOf)
}

/** @throws StoreError if the store refused */
export function batchText(outcome: WriteOutcome): string {
  if (outcome.kind === 'refused') {
    const { code, message, index, version } = outcome
    throw new StoreError(code, `operation ${index}: ${message}; nothing was written`, {
      details: { index, ...(version !== undefined && { version }) },
    })
  }
  return `{"results":[${outcome.written.map(resultText).join()}]}`
}

function resultText({ change, id, version, document }: Written): string {
  if (change !== 'deleted-doc') return document
  return `{"id":${JSON.stringify(id)},"version":${version},"deleted":true}`
}

function operationOf(given: unknown, index: number): WriteOperation {
  try {
    return readOperation(objectBody(given, KEYS))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new StoreError(error.code, `operation ${index}: ${error.message}`, { details: { index }, cause: error })
  }
}

function readOperation(given: Record<string, unknown>): WriteOperation {
  const { op } = given
  if (typeof op !== 'string' || !Object.hasOwn(TAKES, op)) {
    throw new StoreError('INVALID_REQUEST', `"op" must be one of ${listed(Object.keys(TAKES))}`)
  }
  const kind = op as keyof typeof TAKES
  const takes: readonly string[] = TAKES[kind]
  for (const key in given) {
    if (key !== 'op' && key !== 'table' && !takes.includes(key)) {
      throw new StoreError('INVALID_REQUEST', `${kind} does not take ${JSON.stringify(key)}`)
    }
  }
  if (typeof given['table'] !== 'string') throw new StoreError('INVALID_REQUEST', '"table" must be a string')
  const table = checkName('table', given['table'])
  const id = idOf(given)
  if (kind === 'create') return { kind, table, data: dataOf(given), ...(id !== undefined && { id }) }
  if (id === undefined) throw new StoreError('INVALID_REQUEST', `${kind} needs an "id"`)
  const place = { table, id, ...conditionOf(given['ifMatch']) }
  switch (kind) {
    case 'put':
      return { kind, ...place, data: dataOf(given) }
    case 'patch':
      if (!Object.hasOwn(given, 'patch')) throw new StoreError('INVALID_REQUEST', 'patch needs a "patch"')
      return { kind, ...place, patch: JSON.stringify(given['patch']) }
    case 'delete':
      return { kind, ...place }
  }
}

/** A version; `"*"`: any; 0: it must not exist. */
function conditionOf(ifMatch: unknown): { condition?: Precondition } {
  if (ifMatch === undefined) return {}
  if (ifMatch === '*') return { condition: 'any' }
  if (ifMatch === 0) return { condition: 'none' }
  if (typeof ifMatch === 'number' && Number.isSafeInteger(ifMatch) && ifMatch > 0) return { condition: ifMatch }
  throw new StoreError('INVALID_REQUEST', '"ifMatch" must be a version, "*", or 0 for "must not exist"')
}
