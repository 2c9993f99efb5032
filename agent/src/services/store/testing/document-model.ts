/** A document as its clients may expect it to be: what one operation after the other makes of it. */
import type { Model, Operation } from './linearizability.ts'

export type DocumentInput =
  | { kind: 'get' }
  /** @property ifVersion 0: it must not exist */
  | { kind: 'put'; value: string; ifVersion?: number }
  | { kind: 'delete' }

export type DocumentOutput =
  /** Of a read, and of a write that was kept: the version that it has then. */
  | { kind: 'done'; version: number; value?: string }
  /** It was there. */
  | { kind: 'deleted' }
  /** There is none. */
  | { kind: 'absent' }
  /** The condition does not hold. */
  | { kind: 'refused' }
  /** It says that nothing happened. */
  | { kind: 'not-done' }

export type DocumentOperation = Operation<DocumentInput, DocumentOutput>

interface DocumentState {
  version: number
  value: string | undefined
}

export const documentModel: Model<DocumentState, DocumentInput, DocumentOutput> = {
  initial: { version: 0, value: undefined },
  keyOf: ({ version, value }) => `${version} ${value}`,
  // Versions only grow.
  isLost: ({ version }, { kind }, output) =>
    output.kind === 'done' && (kind === 'get' ? output.version < version : output.version <= version),
  step: (state, input, output) => {
    if (output?.kind === 'not-done') return state
    switch (input.kind) {
      case 'get':
        return isSeen(state, output) ? state : undefined
      case 'put': {
        const { value, ifVersion } = input
        const isMet = ifVersion === undefined || ifVersion === (state.value === undefined ? 0 : state.version)
        if (output?.kind === 'refused') return isMet ? undefined : state
        const next = { version: state.version + 1, value }
        return isMet && isAnswer(output, next.version) ? next : undefined
      }
      case 'delete': {
        if (output?.kind === 'absent') return state.value === undefined ? state : undefined
        return state.value === undefined ? undefined : { version: state.version + 1, value: undefined }
      }
    }
  },
}

function isSeen(state: DocumentState, output: DocumentOutput | undefined): boolean {
  if (output?.kind === 'absent') return state.value === undefined
  return output?.kind === 'done' && output.version === state.version && output.value === state.value
}

function isAnswer(output: DocumentOutput | undefined, version: number): boolean {
  return output === undefined || (output.kind === 'done' && output.version === version)
}
