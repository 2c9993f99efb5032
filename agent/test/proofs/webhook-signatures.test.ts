/**
 * The signature of a callback against independent references: the vector that Standard Webhooks publishes, its own
 * verifier, and a second one made only from Web Crypto and the text of its "Signature scheme".
 */
import { webcrypto } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { signatureHeaders } from '../../src/services/dispatcher/callbacks/signature.ts'

/** https://github.com/standard-webhooks/standard-webhooks, the tests of its libraries. */
const VECTOR = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  now: 1_614_265_330_000,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
}
const BODIES: [string, Buffer][] = [
  ['empty', Buffer.alloc(0)],
  ['text', Buffer.from('plain text, ä and 😀')],
  ['JSON', Buffer.from('{"ok":true}')],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0x00, 0xc3, 0x28])],
  ['a mebibyte', Buffer.alloc(1024 ** 2, 'x')],
]

async function verifies(headers: Record<string, string>, body: Buffer, secret: string): Promise<boolean> {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await webcrypto.subtle.importKey('raw', key, hmac, false, ['verify'])
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
  const [version, signature = ''] = headers['webhook-signature']!.split(',')
  return version === 'v1' && webcrypto.subtle.verify('HMAC', imported, Buffer.from(signature, 'base64'), signed)
}

function signed(body: Buffer, now = Date.now()) {
  return signatureHeaders(VECTOR.secret, { id: 'msg_1', body, now })
}

test('the published vector has the published signature', () => {
  const headers = signatureHeaders(VECTOR.secret, { ...VECTOR, body: Buffer.from(VECTOR.body) })
  expect(headers).toEqual({
    'webhook-id': VECTOR.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': VECTOR.signature,
  })
})

describe.each(BODIES)('a body of %s', (_what, body) => {
  test('is verified over its bytes', async () => expect(await verifies(signed(body), body, VECTOR.secret)).toBe(true))

  test('is refused if a byte of it, the id, the time or the secret differs', async () => {
    const headers = signed(body)
    const other = `whsec_${Buffer.from('another secret, of the same length').toString('base64')}`
    expect(await verifies(headers, Buffer.concat([body, Buffer.from('x')]), VECTOR.secret)).toBe(false)
    expect(await verifies({ ...headers, 'webhook-id': 'msg_2' }, body, VECTOR.secret)).toBe(false)
    expect(await verifies({ ...headers, 'webhook-timestamp': '1' }, body, VECTOR.secret)).toBe(false)
    expect(await verifies(headers, body, other)).toBe(false)
  })
})

describe("the library's own verifier", () => {
  const webhook = new Webhook(VECTOR.secret)
  const body = '{"ok":true}'

  test('accepts what was just signed', () => {
    expect(webhook.verify(body, signed(Buffer.from(body)))).toEqual({ ok: true })
  })

  test('refuses what is old, from the future or tampered with', () => {
    const hour = 3_600_000
    expect(() => webhook.verify(body, signed(Buffer.from(body), Date.now() - hour))).toThrow(/too old/)
    expect(() => webhook.verify(body, signed(Buffer.from(body), Date.now() + hour))).toThrow(/too new/)
    expect(() => webhook.verify('{"ok":false}', signed(Buffer.from(body)))).toThrow(/signature/)
  })
})
