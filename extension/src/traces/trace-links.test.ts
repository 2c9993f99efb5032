import { expect, test } from 'vitest'
import { traceIdsIn } from './trace-links.ts'

const ID = '4bf92f3577b34da6a3ce929d0e0e4736'

test('an id in a line is found where it stands, also behind a request id that a client gave', () => {
  const plain = `2026-01-01 10:00:00.000 [info] INFO  [${ID}] paid`
  expect(traceIdsIn(plain)).toEqual([{ id: ID, start: plain.indexOf(ID), end: plain.indexOf(ID) + 32 }])
  const given = `[info] WARN  [order-7 trace=${ID}] again`
  expect(traceIdsIn(given).map(({ start, end }) => given.slice(start, end))).toEqual([ID])
  const failed = `[error] Invocation ${ID} of hello failed: Error: on purpose`
  expect(traceIdsIn(failed).map(({ start, end }) => failed.slice(start, end))).toEqual([ID])
  expect(traceIdsIn(`[order-7] ${ID} [${ID}0] [${ID.toUpperCase()}]`)).toEqual([])
})
