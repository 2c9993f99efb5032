import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { stampLogs } from './log-stamps.ts'

const STAMP = '2026-01-01T00:00:00.000Z stdout'

function stampedStream(): { stream: PassThrough; printed(): string } {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stampLogs(stream, 'stdout', () => new Date('2026-01-01T00:00:00Z'))
  return { stream, printed: () => Buffer.concat(chunks).toString() }
}

test('every line of a write gets its own stamp, an empty one too', () => {
  const { stream, printed } = stampedStream()
  stream.write('one\n\ntwo\n')
  expect(printed()).toBe(`${STAMP} F one\n${STAMP} F \n${STAMP} F two\n`)
})

test('a line written in pieces is a chain of partial entries that ends with a full one', () => {
  const { stream, printed } = stampedStream()
  stream.write('a')
  stream.write('b')
  stream.write('c\nd')
  expect(printed()).toBe(`${STAMP} P a\n${STAMP} P b\n${STAMP} F c\n${STAMP} P d\n`)
})

test('a character split over two writes is whole again when the parts are joined', () => {
  const { stream } = stampedStream()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const euro = Buffer.from('€\n')
  stream.write(euro.subarray(0, 1))
  stream.write(euro.subarray(1))
  const prefix = `${STAMP} P `.length
  const [first, second] = chunks.map(chunk => chunk.subarray(prefix))
  expect(Buffer.concat([first!.subarray(0, -1), second!]).toString()).toBe('€\n')
})

test('encodings and callbacks keep working, and writing nothing prints nothing', async () => {
  const { stream, printed } = stampedStream()
  await new Promise<void>(resolve => stream.write('6869', 'hex', () => resolve()))
  await new Promise<void>(resolve => stream.write('\n', () => resolve()))
  stream.write('')
  expect(printed()).toBe(`${STAMP} P hi\n${STAMP} F \n`)
})
