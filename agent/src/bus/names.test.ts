import { expect, test } from 'vitest'
import { namesOf } from './names.ts'
import { EVENT_SUBJECTS, idempotencySubject, STREAMS, subjectsOf, triggerSubject } from './subjects.ts'

test('on a server of our own nothing is renamed', () => {
  const { stream, subject, ownSubject } = namesOf(undefined)
  for (const name of Object.values(STREAMS)) expect(stream(name)).toBe(name)
  expect(subject('rfa.call.fn.1')).toBe('rfa.call.fn.1')
  expect(ownSubject('rfa-shop.call.fn.1')).toBe('rfa-shop.call.fn.1')
})

test('on a shared one every stream, bucket and subject carries the project, and is known by its own name again', () => {
  const shop = namesOf('shop')
  expect(Object.values(STREAMS).map(shop.stream)).toEqual(
    Object.values(STREAMS).map(name => name.replace('rfa_', 'rfa-shop_')),
  )
  expect(shop.stream(STREAMS.triggers)).toBe('KV_rfa-shop_triggers')
  for (const subject of [subjectsOf('call'), EVENT_SUBJECTS, idempotencySubject('rfa'), triggerSubject('rfa.rfa')]) {
    expect(shop.subject(subject)).toBe(subject.replace('rfa', 'rfa-shop'))
    expect(shop.ownSubject(shop.subject(subject))).toBe(subject)
  }
})

test('what is not ours keeps its name', () => {
  const { stream, subject, ownSubject } = namesOf('shop')
  for (const name of ['orders', 'rfabric', 'rfab.x', '_INBOX.rfa.1', '$KV.orders.rfa_1', 'rfa-shop2.call.a.b']) {
    expect([stream(name), subject(name), ownSubject(name)]).toEqual([name, name, name])
  }
})
