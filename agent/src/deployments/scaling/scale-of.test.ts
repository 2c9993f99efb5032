import { expect, test } from 'vitest'
import { DeployEntry } from '../../contract/index.ts'
import type { DeploymentRecord } from '../state/index.ts'
import { isElastic, keptOverride, scaleOf } from './scale-of.ts'

const entry = (fields: object = {}) =>
  DeployEntry.parse({ name: 'a', packageDir: '/w', filePath: '/w/a.ts', ...fields })
const range = (scaledTo: number | undefined, fields: object, debugPort?: number) => {
  const { min, max } = scaleOf({ scaledTo, debugPort }, entry(fields))
  return [min, max]
}

test('a number is always that many, a range lets them follow the calls, and so does saying nothing', () => {
  expect(range(undefined, {})).toEqual([0, 10])
  expect(range(undefined, { instances: 3 })).toEqual([3, 3])
  expect(range(undefined, { scale: { min: 1, max: 4 } })).toEqual([1, 4])
  expect(isElastic(scaleOf({}, entry()))).toBe(true)
  expect(isElastic(scaleOf({}, entry({ instances: 1 })))).toBe(false)
})

test('what was set with the command comes first, and nothing lets all of them sleep', () => {
  expect(range(2, { scale: { min: 1, max: 4 } })).toEqual([2, 2])
  expect(range(0, { instances: 20 })).toEqual([0, 20])
  expect(range(0, { scale: { min: 2, max: 4 } })).toEqual([0, 4])
})

test('a debugger gets one instance that never sleeps', () => {
  expect(range(0, { scale: { max: 4 } }, 9229)).toEqual([1, 1])
})

test('what was scaled stays scaled, until deploy.json asks for something else', () => {
  const before = (scaledTo: number, fields: object) =>
    ({ active: 1, scaledTo, versions: [{ version: 1, config: entry(fields) }] }) as unknown as DeploymentRecord
  expect(keptOverride(undefined, entry())).toBeUndefined()
  expect(keptOverride(before(3, { instances: 1 }), entry({ instances: 1 }))).toBe(3)
  expect(keptOverride(before(3, { instances: 1 }), entry({ instances: 2 }))).toBeUndefined()
  expect(keptOverride(before(0, {}), entry({ scale: { max: 2 } }))).toBeUndefined()
})
