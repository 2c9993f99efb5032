/**
 * Requests and results as messages: 4 bytes of header length (big-endian), a JSON header, the body as it is.
 *
 * Invariant: decoding gives back what was encoded: header names in their case, their order and repetitions, every byte
 * of the body. (Values hold one character per byte, as Node reports them; JSON keeps those.)
 */
import { z } from 'zod'

/** What triggered a function, in OpenTelemetry's terms (`faas.trigger`). */
export const FaasTrigger = z.enum(['datasource', 'timer', 'pubsub', 'http', 'other'])
export type FaasTrigger = z.infer<typeof FaasTrigger>

const Headers = z.array(z.tuple([z.string(), z.string()]))

/** The body, in both kinds: in the envelope, or elsewhere under `bodyRef`. */
const BodyPlace = { bodyRef: z.string().optional(), bodyBytes: z.int().min(0) }

export const CallHead = z.object({
  v: z.literal(1),
  method: z.string(),
  /** Path and query after the function's name, bytes unchanged. */
  path: z.string(),
  /** As received, including hop-by-hop headers. */
  headers: Headers,
  /** ISO time. */
  acceptedAt: z.string(),
  requestId: z.string(),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  callbackUrl: z.string().optional(),
  /** What triggered the function, if not a caller. */
  trigger: FaasTrigger.optional(),
  /** Address of the caller, for `X-Forwarded-For`. */
  clientAddress: z.string().optional(),
  /** Value of the header that tells the function who called. */
  caller: z.string().optional(),
  ...BodyPlace,
})
export type CallHead = z.infer<typeof CallHead>

export const ResultHead = z.object({ v: z.literal(1), status: z.int(), headers: Headers, ...BodyPlace })
export type ResultHead = z.infer<typeof ResultHead>

/** A head with its body; the body is empty if it is elsewhere. */
export interface Envelope<Head> {
  head: Head
  body: Uint8Array
}

const LENGTH_BYTES = 4

export function encodeEnvelope(head: CallHead | ResultHead, body: Uint8Array): Uint8Array {
  const text = JSON.stringify(head)
  const headBytes = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + headBytes + body.length)
  bytes.writeUInt32BE(headBytes)
  bytes.write(text, LENGTH_BYTES)
  bytes.set(body, LENGTH_BYTES + headBytes)
  return bytes
}

/** @throws if the bytes are not a request envelope. */
export function decodeCall(bytes: Uint8Array): Envelope<CallHead> {
  return decode(bytes, CallHead)
}

/** @throws if the bytes are not a result envelope. */
export function decodeResult(bytes: Uint8Array): Envelope<ResultHead> {
  return decode(bytes, ResultHead)
}

function decode<Head>(data: Uint8Array, schema: z.ZodType<Head>): Envelope<Head> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const bodyAt = LENGTH_BYTES + bytes.readUInt32BE()
  if (bodyAt > bytes.length) throw new Error('the envelope is cut off')
  const head = schema.parse(JSON.parse(bytes.toString('utf8', LENGTH_BYTES, bodyAt)))
  return { head, body: bytes.subarray(bodyAt) }
}
