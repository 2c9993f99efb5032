/** docs/proofs.md: a line for each suite, as it was run last. */
import type { Suite } from './suites.ts'

export const PAGE = 'docs/proofs.md'

export interface Line {
  suite: Suite
  passed: number
  total: number
}

const HEAD = [
  '# Proofs',
  '',
  'Made by `npm run proofs`, which anyone can run. Every line consists of tests that `npm run test:all` runs as well, and',
  '`npm test` with fewer rounds if there is a seed.',
  '',
  '| suite | follows | seed | passed |',
  '| --- | --- | --- | --- |',
]

/**
 * The page in the order of `all`.
 * @param is `before` is the page whose lines stay for suites that were not run, if they are still the same
 */
export function pageOf(
  all: readonly Suite[],
  { run, seed, before }: { run: readonly Line[]; seed: string; before: string },
): string {
  const kept = before.split('\n')
  const rows = all.flatMap(suite => {
    const line = run.find(({ suite: { name } }) => name === suite.name)
    if (line === undefined) return kept.filter(row => row.startsWith(beginOf(suite)))
    return [`${beginOf(suite)}${suite.isSeeded ? seed : '–'} | ${line.passed} of ${line.total} |`]
  })
  return [...HEAD, ...rows, ''].join('\n')
}

/** Suites of which the page has no line, or more than one. */
export function missingIn(page: string, all: readonly Suite[]): string[] {
  const rows = page.split('\n')
  return all.filter(suite => rows.filter(row => row.startsWith(beginOf(suite))).length !== 1).map(({ name }) => name)
}

function beginOf({ name, follows }: Suite): string {
  return `| ${name} | ${follows} | `
}
