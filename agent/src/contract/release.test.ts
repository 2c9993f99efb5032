import { expect, test } from 'vitest'
import { compareVersions } from './release.ts'

test('releases are ordered by their numbers, and what comes before one is older', () => {
  const ordered = ['0.1.0', '0.1.9', '0.1.10', '0.2.0-beta.2', '0.2.0-beta.10', '0.2.0', '1.0.0']
  for (const [index, version] of ordered.entries()) {
    for (const [other, compared] of ordered.entries()) {
      expect(Math.sign(compareVersions(version, compared)), `${version} ${compared}`).toBe(Math.sign(index - other))
    }
  }
  expect(compareVersions('1.0.0+build.1', '1.0.0')).toBe(0)
})
