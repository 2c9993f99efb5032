import { expect, test } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import type { DeploymentRecord } from './state/index.ts'
import { desiredInstances, undebuggedInstances } from './desired-instances.ts'

const entry = (instances: number) => DeployEntry.parse({ name: 'a', packageDir: '/w', filePath: '/w/a.ts', instances })
const record = (more: Partial<DeploymentRecord>, configured = 1) =>
  ({ active: 1, versions: [{ version: 1, config: entry(configured) }], ...more }) as DeploymentRecord

test('what was scaled stays scaled, until deploy.json asks for another number', () => {
  expect(desiredInstances(undefined, entry(2))).toBe(2)
  expect(desiredInstances(record({ instances: 3 }), entry(1))).toBe(3)
  expect(desiredInstances(record({ instances: 3 }), entry(2))).toBe(2)
})

test('a debugger in between does not change that', () => {
  const debugged = record({ instances: 1, debugPort: 9229, undebuggedInstances: 3 })
  expect(desiredInstances(debugged, entry(1))).toBe(3)
  expect(undebuggedInstances(debugged)).toBe(3)
  expect(undebuggedInstances(record({ instances: 3 }))).toBe(3)
  // From an earlier release, which did not store it.
  expect(desiredInstances(record({ instances: 1, debugPort: 9229 }, 2), entry(2))).toBe(2)
})
