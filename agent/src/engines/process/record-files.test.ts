import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ProcessRecord } from './process-record.ts'
import { RecordFiles } from './record-files.ts'

let folder: string
let files: RecordFiles
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ryo-faas-records-'))
  files = new RecordFiles(folder)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const record: ProcessRecord = {
  id: 'a1',
  route: 'hello',
  version: 3,
  startedAt: '2026-01-02T03:04:05.678Z',
  memoryMb: 256,
  identity: { pid: 1234, startedAt: '5678' },
}

test('a record is read as it was saved, with the port that its process has since reported', async () => {
  await files.save(record)
  expect(await files.read()).toEqual([record])
  await writeFile(files.readyFile('a1'), JSON.stringify({ port: 4711, pid: 1234 }))
  expect(await files.read()).toEqual([{ ...record, port: 4711 }])
  await files.remove('a1')
  expect(await readdir(folder)).toEqual([])
})

test.each([['{"id":"b2","rou'], [''], ['null'], ['[]'], ['\u0000\u0001']])(
  'a record that is damaged (%j) is dropped, and the others are read',
  async text => {
    await files.save(record)
    await writeFile(join(folder, 'b2.json'), text)
    expect(await files.read()).toEqual([record])
    expect(await readdir(folder)).toEqual(['a1.json'])
  },
)

test('a half-written ready file gives no port yet', async () => {
  await writeFile(files.readyFile('a1'), '{"port":47')
  expect(await files.readPort('a1')).toBeUndefined()
  expect(await files.readPort('never')).toBeUndefined()
})
