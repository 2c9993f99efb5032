import { expect, it } from 'vitest'
import { CallIdSource, derivedCallId, parseCallId, timeOfCallId } from './call-id.ts'

it('ids contain function and time, which can be read back', () => {
  const id = new CallIdSource(() => 1_700_000_000_123).next('my_fn-1')
  expect(parseCallId(id)).toEqual({ ulid: id.slice(0, 26), route: 'my_fn-1' })
  expect(timeOfCallId(id)).toBe(1_700_000_000_123)
})

it('ids sort by time, also when the clock is set back', () => {
  const times = [5, 5, 3, 6]
  const source = new CallIdSource(() => times.shift()!)
  expect(Array.from({ length: 4 }, () => timeOfCallId(source.next('f')))).toEqual([5, 5, 5, 6])
})

it('an id does not reveal the next one of the same millisecond', () => {
  const source = new CallIdSource(() => 5)
  const chances = Array.from({ length: 2_000 }, () => source.next('f').slice(10, 26))
  expect(new Set(chances).size).toBe(chances.length)
  // Nearly every digit differs between neighbours; a counter would change only the last.
  const [first, second] = [chances[0]!, chances[1]!]
  expect([...first].filter((digit, i) => digit !== second[i]).length).toBeGreaterThan(4)
})

it.each(['', 'x', '01M86Y44WJAQCBF5RR2S8JC71M', '01M86Y44WJAQCBF5RR2S8JC71M-', '01M86Y44WJAQCBF5RR2S8JC71M-a.b'])(
  '%j is not a call id',
  text => {
    expect(parseCallId(text)).toBeUndefined()
  },
)

it('the same cause has the same id, in every version', () => {
  expect(derivedCallId('fn', 1_700_000_000_123, 'fn.on.1.3')).toBe('01HF7YAT3V3ZG7R4SM4Q1MM3A6-fn')
})
