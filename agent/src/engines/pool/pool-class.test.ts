import { expect, test } from 'vitest'
import { classesOf, classOf, keyOf } from './pool-class.ts'

const limits = { memoryMb: 256, cpus: 1, pids: 128 }
const spec = { command: ['node', '--max-old-space-size=256', '/app/main.mjs'], limits, env: {}, secrets: {} }
const keyFor = (changes: object, base?: string) => {
  const of = classOf({ ...spec, ...changes }, base === undefined ? {} : { base })
  return 'why' in of ? of.why : keyOf(of)
}

test('what is settled when a process boots makes the class; what can be changed does not', () => {
  const same = keyFor({})
  expect(keyFor({ command: ['node', '--max-old-space-size=256', '/app/other.mjs'] })).toBe(same)
  expect(keyFor({ limits: { ...limits, cpus: 0.5, pids: 64 }, env: { TZ: 'UTC', NODE_ENV: 'test' } })).toBe(same)
  expect(keyFor({}, 'node')).toBe(same)
  const others = [
    keyFor({ limits: { ...limits, memoryMb: 512 } }),
    keyFor({ command: ['node', '/app/main.mjs'] }),
    keyFor({ certificates: '-----BEGIN CERTIFICATE-----' }),
    keyFor({}, 'node-22'),
  ]
  expect(new Set([same, ...others]).size).toBe(5)
})

test.each([
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'UV_THREADPOOL_SIZE',
  'LANG',
  'LC_ALL',
  'LD_PRELOAD',
  'SSL_CERT_FILE',
])('%s keeps a function from the pool, as a variable and as a secret', name => {
  expect([keyFor({ env: { [name]: 'x' } }), keyFor({ secrets: { [name]: 'x' } })]).toEqual(
    Array(2).fill(`${name} is read when Node boots`),
  )
})

test('only Node waits', () => {
  expect(keyFor({ command: ['/app/server'] })).toBe('it does not run on Node')
  expect(classesOf([spec, { ...spec, command: ['/app/server'] }])).toHaveLength(1)
})
