import { expect, test } from 'vitest'
import { deploymentView } from '../testing/views-of-platform.ts'
import { lensesOf, type LensState } from './lens-model.ts'

const subject = { name: 'Hello', file: '/w/hello.ts' }
const titles = (state: Partial<LensState>) =>
  lensesOf(subject, {
    ...{ deployment: undefined, activity: undefined, failure: undefined, isAway: false, server: undefined },
    ...state,
  }).map(({ title }) => title)

test('a new handler has one lens', () => {
  expect(titles({})).toEqual(['▶ Deploy function'])
})

test('a deployed one shows its state in one quiet line', () => {
  expect(titles({ deployment: deploymentView() })).toEqual([
    '✓ v3 · 12 calls · p95 8.2 ms',
    'Redeploy',
    'Invoke',
    'Logs',
    'Traces',
  ])
  expect(titles({ deployment: deploymentView({ calls: 1, p95Ms: null }) })[0]).toBe('✓ v3 · 1 call')
})

test('one that is open to a debugger shows no time of its calls', () => {
  expect(titles({ deployment: deploymentView({ debugPort: 9229 }) })[0]).toBe('✓ v3 · 12 calls')
})

test('with a server chosen, the lens says where a click deploys to and where it runs', () => {
  expect(titles({ server: 'shop' })).toEqual(['▶ Deploy function to shop'])
  expect(titles({ server: 'shop', deployment: deploymentView() })[0]).toBe('✓ v3 on shop · 12 calls · p95 8.2 ms')
  expect(titles({ server: 'shop', isAway: true, deployment: deploymentView() })[0]).toContain('on shop (not connected)')
})

test('the status line says when its schedules run next', () => {
  const schedule = { cron: '0 9 * * *', zone: 'UTC', missed: 'once', overlap: 'skip', path: '/' } as const
  const start = { epoch: 1, from: { kind: 'time', time: '2026-01-01T00:00:00Z' } } as const
  const at = { kind: 'schedule', start, schedule, label: '' } as const
  const triggers = [
    { ...at, key: 'a', nextAt: '2026-01-03T09:00:00Z' },
    { ...at, key: 'b', nextAt: '2026-01-02T09:00:00Z' },
    { ...at, key: 'c', isPaused: true },
  ]
  const [status] = titles({ deployment: deploymentView({ triggers, p95Ms: null }) })
  const next = new Date('2026-01-02T09:00:00Z').toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' })
  expect(status).toBe(`✓ v3 · 12 calls · next ${next}`)
})

test('trouble shows', () => {
  const ill = deploymentView({ state: 'failing', errors: 2, p95Ms: 1500 })
  expect(titles({ deployment: ill })[0]).toBe('$(warning) v3 failing · 12 calls · 2 failed · p95 1.5 s')
  expect(titles({ deployment: deploymentView(), failure: 'it threw' })[0]).toBe(
    '✓ v3 · last deploy failed · 12 calls · p95 8.2 ms',
  )
  expect(titles({ deployment: deploymentView(), isAway: true })[0]).toContain('(agent away)')
})

test('while it is being deployed, that is all there is to say', () => {
  expect(titles({ deployment: deploymentView(), activity: 'building' })).toEqual(['$(sync~spin) building…'])
})

test('a function of the same name in another file is another function', () => {
  const elsewhere = deploymentView({ filePath: '/shop/src/hello.ts', deployFile: '/shop/deploy.json' })
  expect(titles({ deployment: elsewhere })).toEqual(['▶ Deploy function (replaces Hello of “shop”)'])
  const here = deploymentView({ filePath: '/w/other.ts', deployFile: '/w/deploy.json' })
  expect(titles({ deployment: here })).toEqual(['▶ Deploy function (replaces Hello of “other.ts”)'])
})

test('what documents start cannot be invoked', () => {
  expect(titles({ deployment: deploymentView({ kind: 'trigger' }) }).slice(1)).toEqual(['Redeploy', 'Logs', 'Traces'])
})

test('what was written for another platform says so', () => {
  const hono = { ...subject, dialect: 'Hono app' }
  const state = { activity: undefined, failure: undefined, isAway: false, server: undefined }
  expect(lensesOf(hono, { ...state, deployment: undefined })[0]!.title).toBe('▶ Deploy function (Hono app)')
  const here = deploymentView({ name: 'Hello', filePath: '/w/hello.ts' })
  expect(lensesOf(hono, { ...state, deployment: here })[0]!.tooltip).toMatch(/^Hono app\n/)
})
