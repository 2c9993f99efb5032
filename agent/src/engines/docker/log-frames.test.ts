import { expect, test } from 'vitest'
import { logFrames, type LogFrame } from './log-frames.ts'

function frame(stream: 1 | 2, text: string): Buffer {
  const data = Buffer.from(text)
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(data.length, 4)
  return Buffer.concat([head, data])
}

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  await Promise.resolve()
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(source: AsyncIterable<Buffer>): Promise<[LogFrame['stream'], string][]> {
  const frames: [LogFrame['stream'], string][] = []
  for await (const { stream, data } of logFrames(source)) frames.push([stream, data.toString()])
  return frames
}

test.each([1, 3, 8, 11, 1_000])('frames are found in pieces of %d bytes', async size => {
  const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, ''), frame(2, 'zwei – 2\n'), frame(1, 'x'.repeat(500))])
  expect(await read(chunksOf(bytes, size))).toEqual([
    ['stdout', 'one\n'],
    ['stderr', ''],
    ['stderr', 'zwei – 2\n'],
    ['stdout', 'x'.repeat(500)],
  ])
})

test('a hundred thousand frames in one piece are fine', async () => {
  const bytes = Buffer.concat(Array.from({ length: 100_000 }, (_, index) => frame(1, `line ${index}\n`)))
  const frames = await read(chunksOf(bytes, bytes.length))
  expect(frames).toHaveLength(100_000)
  expect(frames.at(-1)).toEqual(['stdout', 'line 99999\n'])
})

test('a frame that was cut off is left out', async () => {
  const bytes = Buffer.concat([frame(1, 'whole\n'), frame(1, 'cut off\n').subarray(0, -3)])
  expect(await read(chunksOf(bytes, 5))).toEqual([['stdout', 'whole\n']])
})
