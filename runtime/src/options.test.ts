import { expect, test } from 'vitest'
import { instanceOptions } from './options.ts'

test('without variables an instance listens on port 6000 of every address and has no limits', () => {
  expect(instanceOptions('Hello', {})).toEqual({
    name: 'Hello',
    version: 0,
    instance: 'local',
    host: '0.0.0.0',
    port: 6000,
    readyFile: undefined,
    proxyUrl: undefined,
    timeoutMs: 0,
    concurrency: 0,
    bodyLimitBytes: 0,
    drainMs: 10_000,
  })
})

test.each(['-1', '1.5', '65536', 'x', ' 1', '0x10'])('a port of %j is refused with the name of its variable', port => {
  expect(() => instanceOptions('Hello', { RYO_FAAS_PORT: port })).toThrow(/RYO_FAAS_PORT/)
})
