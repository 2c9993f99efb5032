import { describe, expect, it } from 'vitest'
import { CallIdSource, STREAMS } from '../../../bus/index.ts'
import { claimKey, idempotencyKey } from '../../../calls/index.ts'
import { managerOf } from '../../../bus/testing/nats-server.ts'
import { call } from '../proxy-testing.ts'
import { idOf, useAccepting } from './accepting-testing.ts'

const at = useAccepting()
const { post, kept, queueLength } = at

describe('Idempotency-Key', () => {
  it('gives one call for many requests, at once and later', async () => {
    const headers = { 'idempotency-key': 'Ünïque 1' }
    const send = () => post('/functions/fn', 'x', { 'idempotency-key': 'k' })
    const ids = (await Promise.all(Array.from({ length: 16 }, send))).map(idOf)
    expect(new Set([...ids, idOf(await send())]).size).toBe(1)
    expect(await queueLength()).toBe(1)
    expect(idOf(await post('/functions/fn', 'x', headers))).not.toBe(ids[0])
  })

  it('belongs to one function', async () => {
    const headers = { 'idempotency-key': 'k', prefer: 'respond-async' }
    const first = idOf(await post('/functions/fn', '', headers))
    await at.stage.serve(at.proxy, [], { name: 'other' })
    expect(idOf(await post('/functions/other', '', headers))).not.toBe(first)
  })

  it('of a call that was never queued queues it now', async () => {
    const headers = { 'idempotency-key': 'lost' }
    const id = new CallIdSource().next('fn')
    const request = { route: 'fn', method: 'POST', path: '/', authorization: undefined, body: Buffer.from('b') }
    await claimKey(at.bus, idempotencyKey('lost', request), id)
    expect(idOf(await post('/functions/fn', 'b', headers))).toBe(id)
    expect((await kept(id)).body.toString()).toBe('b')
  })

  it('of a call that is over does not start it again', async () => {
    const headers = { 'idempotency-key': 'done' }
    const id = idOf(await post('/functions/fn', 'a', headers))
    // Not even if its history is gone.
    await managerOf(at.bus).streams.purge(STREAMS.calls)
    expect(idOf(await post('/functions/fn', 'a', headers))).toBe(id)
    expect(await queueLength()).toBe(0)
  })

  it('never gives one caller the call of another who chose the same key', async () => {
    const headers = { 'idempotency-key': 'order-1', authorization: 'Bearer alice' }
    const id = idOf(await post('/functions/fn/pay?to=x', 'alice pays 10', headers))
    const others = [
      { path: '/functions/fn/pay?to=x', body: 'bob pays 99', headers },
      { path: '/functions/fn/pay?to=y', body: 'alice pays 10', headers },
      { path: '/functions/fn/pay?to=x', body: 'alice pays 10', headers: { ...headers, authorization: 'Bearer bob' } },
      { path: '/functions/fn/pay?to=x', body: 'alice pays 10', headers: { ...headers, authorization: '' } },
    ]
    for (const other of others) {
      const answer = await post(other.path, other.body, other.headers)
      expect(answer).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' })
      expect(answer.body).not.toContain(id)
    }
    const put = await call(at.proxy, '/functions/fn/pay?to=x', { method: 'PUT', body: 'alice pays 10', headers })
    expect(put.status).toBe(422)
    expect(idOf(await post('/functions/fn/pay?to=x', 'alice pays 10', headers))).toBe(id)
    expect(await queueLength()).toBe(1)
  })

  it.each(['', 'x'.repeat(256)])('%.3s is refused', async key => {
    const answer = await post('/functions/fn', '', { 'idempotency-key': key })
    expect(answer).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
  })
})
