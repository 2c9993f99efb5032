import { expect, it } from 'vitest'
import { CallIdSource, parseCallId, timeOfCallId } from './call-id.ts'

it('ids hold function and time and can be read back', () => {
  const id = new CallIdSource(() => 1_700_000_000_123).next('my_fn-1')
  expect(parseCallId(id)).toEqual({ ulid: id.slice(0, 26), route: 'my_fn-1' })
  expect(timeOfCallId(id)).toBe(1_700_000_000_123)
})

it('ids grow strictly, within a millisecond and when the clock is set back', () => {
  const times = [5, 5, 5, 3, 6, 6]
  const source = new CallIdSource(() => times.shift() ?? 6)
  const ids = Array.from({ length: 2_000 }, () => source.next('f'))
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})

it.each(['', 'x', '01M86Y44WJAQCBF5RR2S8JC71M', '01M86Y44WJAQCBF5RR2S8JC71M-', '01M86Y44WJAQCBF5RR2S8JC71M-a.b'])(
  '%j is no call id',
  text => {
    expect(parseCallId(text)).toBeUndefined()
  },
)
