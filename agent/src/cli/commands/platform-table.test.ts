import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import type { PlatformView } from '../../contract/index.ts'
import { Output } from '../output.ts'
import { printEngine, printWaiting } from './platform-table.ts'

const PLATFORM: PlatformView = {
  ...{ project: 'rfa', home: '/home/x/.ryo-faas', version: '0.1.0', engine: 'pods', engineNote: '', parts: [] },
  ...{ proxyUrl: 'http://127.0.0.1:9999', phase: { kind: 'ready' } },
}

async function printed(more: Partial<PlatformView>, print = printEngine): Promise<string> {
  const stdout = new PassThrough() as unknown as NodeJS.WriteStream
  print({ ...PLATFORM, ...more }, new Output({ stdout, stderr: stdout, environment: {} }, false))
  stdout.end()
  return text(stdout)
}

test('what the engine says of itself is printed, of whatever name it is', async () => {
  const isolation = { label: 'in pods', warning: 'of one another they know' }
  expect(await printed({ isolation, capabilities: ['images', 'logs'] })).toBe(
    'engine   pods: functions run in pods; it offers images, logs\n         of one another they know\n',
  )
  expect(await printed({ isolation: { label: 'in pods' }, capabilities: [] })).toBe(
    'engine   pods: functions run in pods; it offers nothing beyond running them\n',
  )
})

test('of an agent that does not tell, the name is printed', async () => {
  expect(await printed({})).toBe('engine   pods\n')
})

test('why functions cannot be changed yet is printed, and nothing if they can', async () => {
  expect(await printed({}, printWaiting)).toBe('')
  expect(await printed({ waitsFor: 'no leader' }, printWaiting)).toBe(
    'Functions cannot be started, stopped or changed yet: no leader. What runs goes on.\n',
  )
})
