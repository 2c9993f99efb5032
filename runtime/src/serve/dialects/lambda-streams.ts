/**
 * Response streaming as Lambda has it: the global `awslambda`, which marks a handler, and a stream that is the response
 * itself. https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 */
import type { ServerResponse } from 'node:http'

/** As in Lambda's own runtime: libraries look for it. */
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')

interface Metadata {
  statusCode?: number
  headers?: Record<string, string | string[]>
  cookies?: string[]
}

/** Before the user's module is loaded: it calls `awslambda.streamifyResponse` while it loads. */
export function provideAwslambda(): void {
  const provided = {
    streamifyResponse: <T extends object>(handler: T): T => Object.assign(handler, { [STREAMING]: 'response' }),
    HttpResponseStream: { from: withMetadata },
  }
  Object.assign(globalThis, { awslambda: provided })
}

export function isStreaming(handler: unknown): boolean {
  return (handler as Record<symbol, unknown>)[STREAMING] === 'response'
}

export function responseStream(response: ServerResponse): ServerResponse {
  response.setHeader('content-type', 'application/octet-stream')
  return Object.assign(response, {
    setContentType: (type: string) => void response.setHeader('content-type', type),
  })
}

function withMetadata(stream: ServerResponse, { statusCode = 200, headers = {}, cookies }: Metadata): ServerResponse {
  stream.statusCode = statusCode
  for (const [name, value] of Object.entries(headers)) stream.setHeader(name, value)
  if (cookies !== undefined) stream.setHeader('set-cookie', cookies)
  return stream
}
