import { expect, test } from 'vitest'
import { Lanes } from './lanes.ts'
import { Progress } from './progress.ts'

test('a lane gives one item at a time, in order, while other lanes continue', () => {
  const lanes = new Lanes<string>()
  for (const item of ['a1', 'a2', 'b1', 'a3', 'c1']) lanes.add(item[0]!, item)
  expect([lanes.take(), lanes.take(), lanes.take(), lanes.take()].map(taken => taken?.item)).toEqual([
    'a1',
    'b1',
    'c1',
    undefined,
  ])
  lanes.finish('a')
  expect(lanes.take()?.item).toBe('a2')
  lanes.putBack('a')
  expect(lanes.take()?.item).toBe('a2')
  lanes.finish('b')
  expect(lanes.take()).toBeUndefined()
  expect(lanes.size).toBe(3)
})

test('progress is up to the first unfinished item', () => {
  const progress = new Progress(10)
  expect(progress.done).toBe(10)
  for (const sequence of [12, 15, 19]) progress.opened(sequence)
  progress.ended(15)
  expect(progress.done).toBe(11)
  progress.ended(12)
  expect(progress.done).toBe(18)
  progress.skipTo(30)
  expect(progress.done).toBe(18)
  progress.ended(19)
  expect(progress.done).toBe(19)
  progress.skipTo(30)
  expect(progress.done).toBe(30)
  expect(progress.openCount).toBe(0)
})
