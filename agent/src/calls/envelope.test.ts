import { expect, it } from 'vitest'
import { decodeCall, decodeResult, encodeEnvelope, type CallHead } from './envelope.ts'

const head: CallHead = {
  v: 1,
  method: 'POST',
  path: '/a//b%20c?x=%2F&y',
  headers: [
    ['Host', 'here'],
    ['X-B', 'Gr\xfc\xdfe'],
    ['x-a', '1'],
    ['X-B', '2'],
  ],
  acceptedAt: '2026-01-01T00:00:00.000Z',
  requestId: 'r',
  bodyBytes: 256,
}

it('a request is decoded as it was encoded: order, case, repetitions, every byte', () => {
  const body = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const { head: back, body: bytes } = decodeCall(encodeEnvelope(head, body))
  expect(back).toEqual(head)
  expect(body.equals(bytes)).toBe(true)
})

it('a result may have no body', () => {
  const result = { v: 1 as const, status: 204, headers: [], bodyBytes: 0 }
  expect(decodeResult(encodeEnvelope(result, Buffer.alloc(0)))).toEqual({ head: result, body: Buffer.alloc(0) })
})

it('garbage is refused', () => {
  const whole = encodeEnvelope(head, Buffer.alloc(0))
  for (const bytes of [Buffer.alloc(0), Buffer.from('garbage!'), whole.subarray(0, 20), Buffer.from('\0\0\0\x02{}')]) {
    expect(() => decodeCall(bytes)).toThrow()
  }
})
