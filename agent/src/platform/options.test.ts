import { expect, test } from 'vitest'
import { PlatformOptions, resolveOptions, shownValue } from './options.ts'

test.each([
  ['nats://u:p@h1:4222,nats://u:p@h2:4222', 'nats://u:***@h1:4222,nats://u:***@h2:4222'],
  ['tls://a-token@h1, tls://a-token@h2', 'tls://***@h1,tls://***@h2'],
  ['nats://h1:4222,nats://h2:4222', 'nats://h1:4222,nats://h2:4222'],
  ['postgres://user@h/database', 'postgres://user@h/database'],
  ['postgres://user:with,comma@h/database?sslpassword=x&a=b', 'postgres://user:***@h/database?sslpassword=***&a=b'],
])('%s is shown without what is secret', (value, shown) => {
  expect(shownValue(value).toString().replaceAll(', ', ',')).toBe(shown)
})

test('a NATS of others is named by URLs, on the command line or in the environment, with as many copies as wanted', () => {
  const natsUrl = 'nats://u:p@h1:4222,tls://h2'
  expect(resolveOptions({ natsUrl }, {})).toMatchObject({ natsUrl, natsReplicas: 'auto', natsSync: 'off' })
  const environment = { RYO_FAAS_NATS_URL: natsUrl, RYO_FAAS_NATS_REPLICAS: '3' }
  expect(resolveOptions({}, environment)).toMatchObject({ natsUrl, natsReplicas: 3 })
  expect(() => resolveOptions({ natsUrl: 'nats://u:secret@' }, {})).toThrow(/--nats-url "nats:\/\/u:\*\*\*@"/)
  expect(PlatformOptions.safeParse({ natsReplicas: 6 }).success).toBe(false)
})
