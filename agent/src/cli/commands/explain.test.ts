import { expect, it } from 'vitest'
import type { BootFacts, BundleFacts } from '../../contract/index.ts'
import { Output } from '../output.ts'
import { explain, explainBoot } from './explain.ts'

function printed(facts: BundleFacts): string[] {
  let text = ''
  const stdout = { write: (chunk: string) => ((text += chunk), true) } as unknown as NodeJS.WriteStream
  explain({ type: 'bundled', name: 'hello', facts }, new Output({ stdout, stderr: stdout, environment: {} }, false))
  return text.trimEnd().split('\n')
}

function printedBoot(boot: BootFacts): string[] {
  let text = ''
  const stdout = { write: (chunk: string) => ((text += chunk), true) } as unknown as NodeJS.WriteStream
  explainBoot({ type: 'booted', name: 'hello', boot }, new Output({ stdout, stderr: stdout, environment: {} }, false))
  return text.trimEnd().split('\n')
}

const named = (name: string, bytes: number) => ({ name, version: '1.0.0', bytes })

it('deploy --explain prints what is bundled, what is not and why, and the sizes', () => {
  const bundled = Array.from({ length: 10 }, (_, n) => named(`p${n}`, 1000 - n))
  const unbundled = [
    { ...named('sharp', 2_000_000), why: 'has a native addon', native: true },
    { ...named('semver', 5000), why: 'is needed by sharp, which is not bundled', native: false, neededBy: 'sharp' },
  ]
  const facts = { bundleBytes: 20_000, bundled, unbundled, files: { count: 1, bytes: 10 }, totalBytes: 2_100_000 }
  expect(printed(facts)).toEqual([
    'hello  2.1 MB in all',
    '     20 kB  bundle, with 10 packages',
    '    1.0 kB    p0 1.0.0',
    ...[1, 2, 3, 4, 5, 6, 7].map(n => `     ${1000 - n} B    p${n} 1.0.0`),
    '    2.0 kB    2 more packages',
    '    2.0 MB  node_modules, with 2 packages that are not bundled',
    '    2.0 MB    sharp 1.0.0: has a native addon',
    '    5.0 kB    1 package that these need: semver 1.0.0',
    '      10 B  1 other file',
  ])
  expect(printed({ ...facts, bundled: [], unbundled: [], files: { count: 0, bytes: 0 } })).toEqual([
    'hello  2.1 MB in all',
    '     20 kB  bundle',
  ])
  expect(printed({ ...facts, runsOn: 'Node 22' })[0]).toBe('hello  2.1 MB in all, on Node 22')
})

it('deploy --explain prints where the time of the start went, and why it did not come from the pool', () => {
  const steps = [
    { doing: 'asking the pool', ms: 1 },
    { doing: 'creating and starting it', ms: 180 },
  ]
  expect(printedBoot({ origin: 'new', why: 'LANG is read when Node boots', steps })).toEqual([
    'hello  started in 181 ms, new, not from the pool: LANG is read when Node boots',
    '      1 ms  asking the pool',
    '    180 ms  creating and starting it',
  ])
  expect(printedBoot({ origin: 'pool', steps: steps.slice(0, 1) })[0]).toBe('hello  started in 1 ms, out of the pool')
})
