/**
 * Applications as users have them, installed, deployed and called. The samples run with all other tests;
 * `npm run test:apps` tries the whole table.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { App } from './app.ts'
import { AppBed } from './bed.ts'
import { APPS } from './table/index.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

/** Set by `main.ts`: parts of names, one on each line. */
const rows = (process.env['RYO_FAAS_APPS'] ?? '').split('\n')
const chosen = APPS.filter(({ name, isSample = false }) =>
  IS_WHOLE ? rows.some(part => name.includes(part)) : isSample,
)
const verdicts = new Map<string, string>()

let bed: AppBed
beforeAll(async () => {
  bed = await AppBed.make(IS_WHOLE)
})
afterAll(async () => {
  await bed.remove()
  if (IS_WHOLE) printVerdicts()
})

test.each(chosen.map(app => [app.name, app] as const))(
  '%s',
  async (_name, app) => {
    verdicts.set(app.name, 'did not finish')
    const failure = await bed.failureOf(app).catch((error: unknown) => String(error))
    verdicts.set(app.name, failure === undefined ? verdictOf(app) : 'FAILS')
    if (failure !== undefined) expect.fail(failure)
  },
  IS_WHOLE ? 600_000 : 60_000,
)

function verdictOf({ refused, notes, calls = [] }: App): string {
  if (refused) return 'refused with the way out'
  if (!notes) return 'works'
  return calls.some(({ status }) => status === 500) ? 'does not work, noted with the way out' : 'works, with a note'
}

function printVerdicts(): void {
  const width = Math.max(...chosen.map(({ name }) => name.length))
  console.log([...verdicts].map(([name, verdict]) => `${name.padEnd(width)}  ${verdict}`).join('\n'))
}
