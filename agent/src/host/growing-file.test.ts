import { appendFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { boundFile } from './bounded-file.ts'
import { GrowingFile } from './growing-file.ts'

let folder: string
let path: string
let file: GrowingFile
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ryo-faas-growing-'))
  path = join(folder, 'log')
  file = new GrowingFile(path)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('what is added is read once', async () => {
  expect(await file.readOn()).toEqual({ text: '', wasCut: false })
  await writeFile(path, 'one\n')
  expect(await file.readOn()).toEqual({ text: 'one\n', wasCut: false })
  expect(await file.readOn()).toEqual({ text: '', wasCut: false })
  await appendFile(path, 'two\n')
  expect(await file.readOn()).toEqual({ text: 'two\n', wasCut: false })
})

test('a half-written character is read once it is complete', async () => {
  const [first, second] = [Buffer.from('a€').subarray(0, 2), Buffer.from('a€').subarray(2)]
  await writeFile(path, first)
  expect((await file.readOn()).text).toBe('a')
  await appendFile(path, second)
  expect((await file.readOn()).text).toBe('€')
})

test('after a cut everything left is read, also when the file has grown past the old offset', async () => {
  const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('')
  await writeFile(path, lines(100, 200))
  await file.readOn()
  await boundFile(path, 800)
  expect(await file.readOn()).toEqual({ text: lines(156, 200), wasCut: true })

  await boundFile(path, 200)
  const { size } = await stat(path)
  await appendFile(path, lines(200, 300))
  expect((await stat(path)).size).toBeGreaterThan(size + 400)
  expect(await file.readOn()).toEqual({ text: lines(189, 300), wasCut: true })
  expect(await file.readOn()).toEqual({ text: '', wasCut: false })
})

test('a file without line breaks is cut as well', async () => {
  await writeFile(path, 'x'.repeat(1_000))
  await boundFile(path, 100)
  expect((await stat(path)).size).toBe(50)
})
