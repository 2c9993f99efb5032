import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFifo, openFifo, writeFifo } from './fifo.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-fifo-'))
  path = join(folder, 'pipe')
  await makeFifo(path)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const isAlive = async () => true

test('what is larger than the pipe arrives whole at a reader that comes later', async () => {
  const long = 'Zürich '.repeat(40_000)
  const opening = openFifo(path, { isAlive, deadline: Infinity })
  const reader = spawn('cat', [path])
  const read = text(reader.stdout)
  const pipe = await opening
  await writeFifo(pipe!, long)
  await pipe!.close()
  expect(await read).toBe(long)
})

test('without a reader it is not opened: not if that one is dead, and not after the deadline', async () => {
  expect(await openFifo(path, { isAlive: async () => false, deadline: Infinity })).toBeUndefined()
  expect(await openFifo(path, { isAlive, deadline: 0 })).toBeUndefined()
  await expect(openFifo(`${path}-gone`, { isAlive, deadline: Infinity })).rejects.toMatchObject({ code: 'ENOENT' })
})
