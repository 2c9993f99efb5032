/**
 * Signs according to Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, "Signature scheme"):
 * HMAC-SHA256 over `id.timestamp.body`. It signs the body's bytes; the JavaScript library decodes them as UTF-8 first,
 * so it verifies only text.
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
