/**
 * What can go wrong between proxy and instance. The kind says what is known about the request:
 * - `connect`: there was no connection, so not a byte of the request was sent;
 * - `closed`: the connection ended before the first byte of an answer; the request may or may not have run;
 * - `protocol`: the instance answered something that is not HTTP/1.1;
 * - `truncated`: the answer broke off after it had started;
 * - `misdirected`: another instance now has the address; it said so and ran nothing;
 * - `stranger`: the server did not identify itself as the instance; the request may have run there.
 */
export type UpstreamErrorKind = 'connect' | 'closed' | 'protocol' | 'truncated' | 'misdirected' | 'stranger'

export class UpstreamError extends Error {
  readonly kind: UpstreamErrorKind

  constructor(kind: UpstreamErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'UpstreamError'
    this.kind = kind
  }
}
