/**
 * How commands and answers cross threads: as one flat list of strings and numbers. Cloned, that costs a sixth of the same
 * in objects, whose property names are written down each time. What is not of the common shape goes along as it is.
 */
import type { Precondition, WriteContext, WriteOperation, Written } from '../documents/index.ts'
import type { Answer, Command } from './commands.ts'

/** Per command: kind, table, id, JSON text, condition; or `null` and the command. */
export type PackedCommands = readonly unknown[]
/** Per answer: change, id, version, document; or `null` and the answer. */
export type PackedAnswers = readonly unknown[]

const COMMAND_FIELDS = 5
const ANSWER_FIELDS = 4
const NO_CONTEXT: WriteContext = {}

export function packCommands(commands: readonly Command[]): PackedCommands {
  const packed: unknown[] = []
  for (const command of commands) {
    const operation = commonOperation(command)
    if (operation === undefined) packed.push(null, command, undefined, undefined, undefined)
    else packed.push(operation.kind, operation.table, operation.id, textOf(operation), conditionOf(operation))
  }
  return packed
}

export function unpackCommands(packed: PackedCommands): Command[] {
  const commands: Command[] = []
  for (let at = 0; at < packed.length; at += COMMAND_FIELDS) {
    if (packed[at] === null) commands.push(packed[at + 1] as Command)
    else commands.push({ type: 'write', operations: [operationAt(packed, at)], context: NO_CONTEXT })
  }
  return commands
}

export function packAnswers(answers: readonly Answer[]): PackedAnswers {
  const packed: unknown[] = []
  for (const answer of answers) {
    const written = commonAnswer(answer)
    if (written === undefined) packed.push(null, answer, undefined, undefined)
    else packed.push(written.change, written.id, written.version, written.document)
  }
  return packed
}

export function unpackAnswers(packed: PackedAnswers): Answer[] {
  const answers: Answer[] = []
  for (let at = 0; at < packed.length; at += ANSWER_FIELDS) {
    if (packed[at] === null) answers.push(packed[at + 1] as Answer)
    else answers.push({ type: 'done', result: { kind: 'written', written: [writtenAt(packed, at)] } })
  }
  return answers
}

type CommonOperation = Exclude<WriteOperation, { kind: 'import' }>

/** For a write that has one operation and comes from nowhere in particular. */
function commonOperation(command: Command): CommonOperation | undefined {
  if (command.type !== 'write' || command.operations.length !== 1) return undefined
  const [operation] = command.operations
  const { isMuted, depth, traceparent, baggage } = command.context
  const isCommon = isMuted === undefined && depth === undefined && traceparent === undefined && baggage === undefined
  return isCommon && operation!.kind !== 'import' ? operation : undefined
}

function textOf(operation: CommonOperation): string | undefined {
  if (operation.kind === 'delete') return undefined
  return operation.kind === 'patch' ? operation.patch : operation.data
}

function conditionOf(operation: CommonOperation): Precondition | undefined {
  return operation.kind === 'create' ? undefined : operation.condition
}

function operationAt(packed: PackedCommands, at: number): WriteOperation {
  const kind = packed[at] as CommonOperation['kind']
  const table = packed[at + 1] as string
  const id = packed[at + 2] as string
  const text = packed[at + 3] as string
  const condition = packed[at + 4] as Precondition | undefined
  const given = condition === undefined ? undefined : { condition }
  switch (kind) {
    case 'create':
      return packed[at + 2] === undefined ? { kind, table, data: text } : { kind, table, id, data: text }
    case 'put':
      return { kind, table, id, data: text, ...given }
    case 'patch':
      return { kind, table, id, patch: text, ...given }
    case 'delete':
      return { kind, table, id, ...given }
  }
}

function commonAnswer(answer: Answer): Written | undefined {
  if (answer.type === 'failed' || typeof answer.result !== 'object' || !('written' in answer.result)) return undefined
  return answer.result.written.length === 1 ? answer.result.written[0] : undefined
}

function writtenAt(packed: PackedAnswers, at: number): Written {
  return {
    change: packed[at] as Written['change'],
    id: packed[at + 1] as string,
    version: packed[at + 2] as number,
    document: packed[at + 3] as string,
  }
}
