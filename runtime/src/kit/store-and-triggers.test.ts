import { describe, expect, it } from 'vitest'
import { context } from '../context.ts'
import type { CloudEvent, DocumentEvent, Service } from '../handlers.ts'
import { publish } from '../publish.ts'
import { store, StoreError } from '../store.ts'
import { testFunction, TestStore } from './index.ts'

interface Order {
  amount: number
  state?: string
}

const quiet = { quiet: true } as const

describe('the store', () => {
  const sum = async () => {
    const orders = store<Order>('orders')
    let total = 0
    for await (const { data } of orders.all({ where: { amount: { '>': 0 } }, orderBy: '-amount', limit: 2 })) {
      total += data.amount
    }
    return Response.json(total)
  }

  it('has the rules of the real one, inside the function and for the test', async () => {
    const app = await testFunction(sum, { store: { orders: { a: { amount: 1 }, b: { amount: 2 }, c: { amount: 4 } } } })
    const orders = app.store<Order>('orders')
    const created = await orders.create({ amount: 8 })
    expect(created.id).toMatch(/^[0-9A-Z]{26}$/)
    expect(await (await app.request('/')).json()).toBe(15)
    await expect(orders.create({ amount: 1 }, { id: 'a' })).rejects.toMatchObject({
      code: 'DOCUMENT_EXISTS',
      status: 409,
    })
    expect(await orders.update('a', { state: 'paid' }, { ifVersion: 1 })).toMatchObject({ version: 2 })
    const late = orders.replace('a', { amount: 3 }, { ifVersion: 1 })
    await expect(late).rejects.toBeInstanceOf(StoreError)
    await expect(late).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await orders.delete('a')).toBe(true)
    expect(await orders.delete('a')).toBe(false)
    expect(await orders.replace('a', { amount: 5 })).toMatchObject({ version: 4, data: { amount: 5 } })
    expect(app.events.map(({ data }) => [data.kind, data.version])).toEqual([
      ['new-doc', 1],
      ['updated-doc', 2],
      ['deleted-doc', 3],
      ['new-doc', 4],
    ])
    const first = await orders.query({ orderBy: 'amount', limit: 2 })
    expect(first.documents.map(({ id }) => id)).toEqual(['b', 'c'])
    await expect(orders.query({ orderBy: '-amount', cursor: first.cursor! })).rejects.toMatchObject({
      code: 'INVALID_CURSOR',
    })
  })

  it('does a batch as a whole or not at all', async () => {
    const shared = new TestStore()
    await shared.batch([
      { op: 'create', table: 't', id: 'a', data: 1 },
      { op: 'put', table: 't', id: 'b', data: 2 },
    ])
    const refused = shared.batch([
      { op: 'delete', table: 't', id: 'a' },
      { op: 'patch', table: 't', id: 'b', patch: 3, ifMatch: 7 },
    ])
    await expect(refused).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await shared.table('t').get('a')).toMatchObject({ data: 1 })
  })
})

describe('triggers', () => {
  it('run for writes, one after the other, and what they write sets off others', async () => {
    const seen: string[] = []
    const main = (service: Service) => {
      service
        .http('/', async request => {
          await store<Order>('orders').create({ amount: 1 }, { id: new URL(request.url).searchParams.get('id')! })
          return new Response()
        })
        .on<Order>('orders', ['new-doc'], async function audit({ id, after }) {
          await Promise.resolve()
          seen.push(`audit ${id}`)
          await store('log').create({ amount: after!.amount }, { id })
        })
        .on('log', ['new-doc'], function count({ id, sequence }) {
          seen.push(`count ${id} ${sequence}`)
        })
    }
    const app = await testFunction(main, { style: 'service' })
    await app.request('/?id=a')
    await app.request('/?id=b')
    await app.settled()
    expect(seen.slice(0, 2)).toEqual(['audit a', 'audit b'])
    expect(seen.slice(2)).toEqual(['count a 3', 'count b 4'])
  })

  it('share a store with the function that writes, and surface what they throw', async () => {
    const shared = new TestStore()
    let attempts = 0
    const trigger = ({ id }: DocumentEvent<Order>) => {
      attempts += 1
      if (id !== 'good' && context().attempt < 3) throw new Error(`no ${id}`)
    }
    const on = { table: 'orders', events: ['new-doc'] } as const
    const once = await testFunction(trigger, { ...quiet, store: shared, on })
    await shared.table('orders').create({ amount: 1 }, { id: 'bad' })
    await shared.table('other').create({ amount: 1 }, { id: 'bad' })
    await expect(once.settled()).rejects.toThrow('no bad')
    await shared.table('orders').create({ amount: 1 }, { id: 'good' })
    await once.close()
    expect(attempts).toBe(2)
    const thrice = await testFunction(trigger, { ...quiet, store: shared, on, retries: 2 })
    await shared.table('orders').create({ amount: 1 }, { id: 'bad2' })
    await thrice.close()
    expect(attempts).toBe(5)
  })

  it('run for an event of the test, and reject with what the handler throws', async () => {
    const events: DocumentEvent<Order>[] = []
    const app = await testFunction(
      (event: DocumentEvent<Order>) => {
        if (event.id === 'bad') throw new Error('broken')
        events.push(event)
      },
      { ...quiet, on: [{ table: 'orders', ids: ['a', 'bad'] }], clock: { at: '2026-01-02T03:04:05.000Z' } },
    )
    await app.trigger({ table: 'orders', id: 'a', before: { amount: 1 }, after: { amount: 2 } })
    const time = '2026-01-02T03:04:05.000Z'
    expect(events).toEqual([
      {
        kind: 'updated-doc',
        table: 'orders',
        id: 'a',
        version: 2,
        before: { amount: 1 },
        after: { amount: 2 },
        time,
        sequence: 1,
      },
    ])
    await expect(app.trigger({ table: 'orders', id: 'bad' })).rejects.toThrow('broken')
    await expect(app.trigger({ table: 'orders', id: 'x' })).rejects.toThrow('no trigger for deleted-doc of orders/x')
  })

  it('that set themselves off are stopped', async () => {
    const app = await testFunction(
      async () => {
        await store<number>('t').create(1)
      },
      { on: { table: 't' } },
    )
    await app.store('t').create(0)
    await expect(app.settled()).rejects.toThrow(/EVENT_LOOP: .* chain of 17 document events/)
  })
})

describe('events', () => {
  it('that are published run the triggers they are for, once for each id, and are recorded', async () => {
    const seen: CloudEvent<{ amount: number }>[] = []
    async function paid(event: CloudEvent<{ amount: number }>): Promise<void> {
      seen.push(event)
      if (event.data!.amount > 1) await publish({ type: 'com.example.paid', data: { amount: event.data!.amount - 1 } })
      await publish({ type: 'com.other', id: 'same' })
    }
    await using app = await testFunction(paid, { ...quiet, onEvent: { type: 'com.example.*', source: '/functions/*' } })
    const event = { specversion: '1.0', id: '1', source: '/functions/x', type: 'com.example.paid' } as const
    await app.trigger({ ...event, data: { amount: 3 } })
    await app.settled()
    expect(seen.map(({ data }) => data!.amount)).toEqual([3, 2, 1])
    expect(app.published.map(({ type }) => type)).toEqual(['com.example.paid', 'com.other', 'com.example.paid'])
    await expect(app.trigger({ ...event, source: '/shop' })).rejects.toThrow('no trigger for com.example.paid of /shop')
  })

  it('that follow from each other without an end are stopped', async () => {
    const echo = async ({ data }: CloudEvent<number>): Promise<void> =>
      void (await publish({ type: 'echo', data: data! + 1 }))
    const app = await testFunction(echo, { ...quiet, onEvent: { type: 'echo' } })
    await app.trigger({ specversion: '1.0', id: '0', source: '/x', type: 'echo', data: 0 })
    await expect(app.settled()).rejects.toThrow('EVENT_LOOP')
    expect(app.published).toHaveLength(17)
  })

  it('reach the handlers of a service', async () => {
    const seen: unknown[] = []
    const main = (service: Service) => void service.onEvent('com.*', event => void seen.push(event.data))
    await using app = await testFunction(main, { style: 'service' })
    await app.trigger({ specversion: '1.0', id: '1', source: '/x', type: 'com.a', data: 7 })
    expect(seen).toEqual([7])
  })
})
