import { expect, it } from 'vitest'
import { migrated } from './migrations.ts'
import { STATE_FORMAT } from './state.ts'

it('gives versions of the first format the first protocol and language, and keeps all else', () => {
  const version = { version: 1, hash: 'h', config: {} }
  const record = { name: 'A', active: 1, versions: [version] }
  const state = { format: 1, engine: 'process', ports: { proxy: 1 }, deployments: { a: record } }
  const versions = [{ ...version, protocol: 1, language: 'node' }]
  expect(migrated(state)).toEqual({ ...state, format: STATE_FORMAT, deployments: { a: { ...record, versions } } })
})

it('gives versions of the second format the only language of the time, which knows how its handlers are called', () => {
  const version = { version: 1, hash: 'h', protocol: 2, config: {} }
  const state = (format: number, versions: object[]) => ({
    format,
    deployments: { a: { name: 'A', active: 1, versions } },
  })
  const now = state(STATE_FORMAT, [{ ...version, language: 'node' }])
  expect(migrated(state(2, [{ ...version, style: 'web' }]))).toEqual(now)
})

it('keeps a number of the third format only where it was not that of deploy.json', () => {
  const record = (fields: object) => ({ active: 2, versions: [{ version: 2, config: { instances: 2 } }], ...fields })
  const deployments = {
    asConfigured: record({ instances: 2 }),
    scaled: record({ instances: 5 }),
    debugged: record({ instances: 1, debugPort: 1, undebuggedInstances: 5 }),
    debuggedAsConfigured: record({ instances: 1, debugPort: 1 }),
  }
  expect(migrated({ format: 3, deployments })).toEqual({
    format: STATE_FORMAT,
    deployments: {
      asConfigured: record({}),
      scaled: record({ scaledTo: 5 }),
      debugged: record({ debugPort: 1, scaledTo: 5 }),
      debuggedAsConfigured: record({ debugPort: 1 }),
    },
  })
})

it('leaves a current state as it is', () => {
  const state = { format: STATE_FORMAT, ports: {}, deployments: {} }
  expect(migrated(state)).toEqual(state)
})

it('refuses the state of a later release, and says so', () => {
  expect(() => migrated({ format: STATE_FORMAT + 1 })).toThrow(/written by a later release/)
})

it.each([{}, null, [], { format: 0 }, { format: '1' }, { format: 1 }])('refuses what is not a state: %j', raw => {
  expect(() => migrated(raw)).toThrow()
})
