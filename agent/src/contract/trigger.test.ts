import { expect, test } from 'vitest'
import { triggerLabel } from './trigger-label.ts'
import { Trigger, triggerSecrets } from './trigger.ts'

const NATS = { kind: 'nats', server: 'nats://host:4222', subject: 'orders.>' }

test.each<[string, object]>([
  ['a URL with a password', { server: 'nats://user:secret@host' }],
  ['another protocol', { server: 'http://host' }],
  ['a subject with a wildcard in the middle of a word', { subject: 'ord*rs' }],
  ['">" that is not at the end', { subject: '>.orders' }],
  ['an empty word', { subject: 'orders..new' }],
  ['a name with a dot', { durable: 'a.b' }],
  ['a queue next to a durable consumer', { durable: 'a', queue: 'b' }],
  ['where to begin, without a durable consumer', { deliver: 'all' }],
  ['a path in place of a secret', { tls: { ca: './ca.pem' } }],
])('a trigger on NATS does not take %s', (_what, given) => {
  expect(Trigger.safeParse(NATS).success).toBe(true)
  expect(Trigger.safeParse({ ...NATS, ...given }).success).toBe(false)
})

test('a trigger names its secrets, and says in a few words what it is for', () => {
  const secure = { ...NATS, server: 'SERVER', durable: 'ours', credentials: 'CREDS', tls: { ca: 'CA', key: 'KEY' } }
  const all = [
    { table: 'payments', events: ['new-doc', 'updated-doc'] },
    { kind: 'event', type: 'com.*', source: '/shop' },
    NATS,
    secure,
  ].map(each => Trigger.parse(each))
  expect(all.map(triggerSecrets)).toEqual([[], [], [], ['SERVER', 'CREDS', 'CA', 'KEY']])
  expect(all.map(triggerLabel)).toEqual([
    'payments: new-doc, updated-doc',
    'com.* of /shop',
    'NATS orders.> at nats://host:4222',
    'NATS orders.> at SERVER, durable ours',
  ])
})
