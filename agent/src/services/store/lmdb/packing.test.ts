import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { Answer, Command } from './commands.ts'
import { packAnswers, packCommands, unpackAnswers, unpackCommands } from './packing.ts'

/** What comes out at the other end. */
function sent<T>(message: T): T {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(message)
  const received = receiveMessageOnPort(port2)?.message as T
  port1.close()
  return received
}

test.each<[string, Command]>([
  ['create', { type: 'write', operations: [{ kind: 'create', table: 't', data: '{}' }], context: {} }],
  [
    'create with an id',
    { type: 'write', operations: [{ kind: 'create', table: 't', id: '', data: '{}' }], context: {} },
  ],
  ['put', { type: 'write', operations: [{ kind: 'put', table: 't', id: 'a', data: 'null' }], context: {} }],
  [
    'put of a version',
    { type: 'write', operations: [{ kind: 'put', table: 't', id: 'a', data: '1', condition: 0 }], context: {} },
  ],
  ['patch', { type: 'write', operations: [{ kind: 'patch', table: 't', id: 'a', patch: '{}' }], context: {} }],
  [
    'delete if it is there',
    { type: 'write', operations: [{ kind: 'delete', table: 't', id: 'a', condition: 'any' }], context: {} },
  ],
  [
    'import',
    { type: 'write', operations: [{ kind: 'import', table: 't', data: '{}', version: 3 }], context: { isMuted: true } },
  ],
  [
    'write of a trigger',
    {
      type: 'write',
      operations: [{ kind: 'create', table: 't', data: '{}' }],
      context: { depth: 0, traceparent: '00' },
    },
  ],
  [
    'write with nothing but baggage',
    { type: 'write', operations: [{ kind: 'create', table: 't', data: '{}' }], context: { baggage: 'k=v' } },
  ],
  [
    'batch',
    {
      type: 'write',
      operations: [
        { kind: 'create', table: 't', data: '{}' },
        { kind: 'delete', table: 't', id: 'a' },
      ],
      context: {},
    },
  ],
  ['write of nothing', { type: 'write', operations: [], context: {} }],
  ['something else', { type: 'trim', before: '2026-01-01', through: 7 }],
])('a %s crosses threads as it is, also between others', (_name, command) => {
  const other: Command = { type: 'write', operations: [{ kind: 'put', table: 'u', id: 'b', data: '2' }], context: {} }
  const commands = [other, command, other]
  expect(unpackCommands(sent(packCommands(commands)))).toStrictEqual(commands)
})

test.each<[string, Answer]>([
  [
    'document written',
    {
      type: 'done',
      result: { kind: 'written', written: [{ change: 'updated-doc', id: 'a', version: 2, document: '{"ä":1}' }] },
    },
  ],
  [
    'document deleted',
    {
      type: 'done',
      result: { kind: 'written', written: [{ change: 'deleted-doc', id: 'a', version: 3, document: '' }] },
    },
  ],
  ['batch of none', { type: 'done', result: { kind: 'written', written: [] } }],
  [
    'refusal',
    { type: 'done', result: { kind: 'refused', index: 0, code: 'DOCUMENT_EXISTS', message: 'no', version: 1 } },
  ],
  ['failure', { type: 'failed', code: 'STORAGE_FULL', message: 'full', details: {} }],
  ['something else', { type: 'done', result: undefined }],
])('an answer about a %s crosses threads as it is, also between others', (_name, answer) => {
  const other: Answer = {
    type: 'done',
    result: { kind: 'written', written: [{ change: 'new-doc', id: 'b', version: 1, document: '{}' }] },
  }
  const answers = [other, answer, other]
  expect(unpackAnswers(sent(packAnswers(answers)))).toStrictEqual(answers)
})
