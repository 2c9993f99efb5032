/** Keeps request bodies below a limit, in bytes. */
import type { IncomingMessage } from 'node:http'
import type { Invocation } from './invocation.ts'

export function declaresMoreThan(limitBytes: number, request: IncomingMessage): boolean {
  return limitBytes > 0 && Number(request.headers['content-length'] ?? 0) > limitBytes
}

/** A body of unknown length (chunked) is counted as it arrives; the handler never sees the end of too large a body. */
export function limitBody(limitBytes: number, invocation: Invocation): void {
  const { request, response } = invocation
  if (limitBytes === 0 || request.headers['transfer-encoding'] === undefined) return
  const push = request.push
  let receivedBytes = 0
  let refused = false
  const refuse = (): void => {
    if (refused) return
    refused = true
    // A reader waiting for the rest of the body must learn that it will not come.
    response.once('close', () => request.destroy())
    invocation.refuse('PAYLOAD_TOO_LARGE', bodyTooLarge(limitBytes))
  }
  request.push = function (chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    receivedBytes += chunk?.length ?? 0
    if (receivedBytes <= limitBytes) return push.call(request, chunk, encoding)
    if (chunk === null) response.end()
    else refuse()
    return true
  }
}

export function bodyTooLarge(limitBytes: number): string {
  return `The request body is larger than ${limitBytes} bytes.`
}
