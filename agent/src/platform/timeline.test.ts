import { expect, test } from 'vitest'
import { Timeline } from './timeline.ts'

test('a timeline has every step with its begin and end, also one that fails, and those within others', async () => {
  let now = 10
  const timeline = new Timeline(() => now)
  const inner = () => timeline.measure('inner', async () => void (now += 5))
  await timeline.measure('outer', async () => {
    now += 1.4
    await inner()
  })
  await expect(timeline.measure('failing', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(timeline.steps).toEqual([
    { name: 'inner', fromMs: 11, toMs: 16 },
    { name: 'outer', fromMs: 10, toMs: 16 },
    { name: 'failing', fromMs: 16, toMs: 16 },
  ])
})
