import { expect, it } from 'vitest'
import { chooseEvicted } from './trace-eviction.ts'
import { newRecord, type TraceRecord } from './trace-record.ts'
import { traceId } from './testing/spans.ts'

const record = (number: number, owner = '', bytes = 1): TraceRecord => ({
  ...newRecord(traceId(number), number),
  owner,
  bytes,
})
const bounds = { maxTraces: 10, maxBytes: 1_000 }
const orders = (records: TraceRecord[], own = bounds) => chooseEvicted(records, own).map(({ order }) => order)

it('evicts nothing within the bounds', () => {
  expect(orders(Array.from({ length: 10 }, (_, i) => record(i)))).toEqual([])
})

it('evicts the oldest if no function exceeds its share', () => {
  expect(orders(Array.from({ length: 12 }, (_, i) => record(i, `f${i % 6}`)))).toEqual([0, 1])
})

it('evicts the oldest trace of the largest holder', () => {
  const few = [record(0, 'few'), record(1, 'few'), record(2)]
  const many = Array.from({ length: 10 }, (_, i) => record(10 + i, 'many'))
  expect(orders([...few, ...many])).toEqual([10, 11, 12])
})

it('counts bytes as well as traces', () => {
  const records = [record(0, 'small', 100), record(1, 'small', 100), record(2, 'large', 700), record(3, 'large', 400)]
  expect(orders(records)).toEqual([2])
})

it('continues with the oldest of all once no function exceeds its share', () => {
  const parts = Array.from({ length: 10 }, (_, i) => record(i))
  const own = Array.from({ length: 4 }, (_, i) => record(20 + i, 'own'))
  // Its share is two of its four.
  expect(orders([...parts, ...own])).toEqual([20, 21, 0, 1])
})

it('keeps the newest, whatever its size', () => {
  expect(orders([record(0, 'a', 5_000), record(1, 'a', 5_000)])).toEqual([0])
})
