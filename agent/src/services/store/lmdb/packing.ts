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
    switch (operation?.kind) {
      case 'create':
        packed.push('create', operation.table, operation.id, operation.data, undefined)
        break
      case 'put':
        packed.push('put', operation.table, operation.id, operation.data, operation.condition)
        break
      case 'patch':
        packed.push('patch', operation.table, operation.id, operation.patch, operation.condition)
        break
      case 'delete':
        packed.push('delete', operation.table, operation.id, undefined, operation.condition)
        break
      default:
        packed.push(null, command, undefined, undefined, undefined)
    }
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
    else answers.push({ type: 'write', outcome: { kind: 'written', written: [writtenAt(packed, at)] } })
  }
  return answers
}

/** For a write that has one operation and comes from nowhere in particular. */
function commonOperation(command: Command): WriteOperation | undefined {
  if (command.type !== 'write' || command.operations.length !== 1) return undefined
  const { isMuted, depth, traceparent, baggage } = command.context
  const isCommon = isMuted === undefined && depth === undefined && traceparent === undefined && baggage === undefined
  return isCommon ? command.operations[0] : undefined
}

function operationAt(packed: PackedCommands, at: number): WriteOperation {
  const kind = packed[at] as Exclude<WriteOperation['kind'], 'import'>
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
  if (answer.type !== 'write' || answer.outcome.kind !== 'written') return undefined
  return answer.outcome.written.length === 1 ? answer.outcome.written[0] : undefined
}

function writtenAt(packed: PackedAnswers, at: number): Written {
  return {
    change: packed[at] as Written['change'],
    id: packed[at + 1] as string,
    version: packed[at + 2] as number,
    document: packed[at + 3] as string,
  }
}
