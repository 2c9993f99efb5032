/**
 * Signs as Standard Webhooks say (https://github.com/standard-webhooks/standard-webhooks, "Signature scheme"):
 * HMAC-SHA256 over `id.timestamp.body`. Over the body's bytes; the JavaScript library reads them as UTF-8 first, so it
 * verifies text alone.
 */
import { createHmac } from 'node:crypto'

/** @param secret `whsec_` and base64 */
export function signatureHeaders(
  secret: string,
  message: { id: string; body: Uint8Array; now: number },
): Record<string, string> {
  const timestamp = Math.floor(message.now / 1_000)
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const digest = createHmac('sha256', key).update(`${message.id}.${timestamp}.`).update(message.body).digest('base64')
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${digest}`,
  }
}
