/** Whether two servers answer the same requests alike. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { send } from './serve-handler.ts'

export interface TriedRequest {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Of the connection, of the moment, or how the body is framed. */
const NOT_COMPARED = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']

export async function answerOf(port: number, { body, ...options }: TriedRequest) {
  const answer = await send(port, options, body)
  for (const name of NOT_COMPARED) delete answer.headers[name]
  const type = answer.headers['content-type']
  if (type !== undefined) answer.headers['content-type'] = type.replaceAll('; ', ';')
  return answer
}

/** @param own what the dialect's own documentation gives to `http.createServer` */
export async function expectSameAnswers(port: number, own: RequestListener, requests: TriedRequest[]): Promise<void> {
  const server = createServer(own)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port: ownPort } = server.address() as AddressInfo
  try {
    const seen = []
    for (const request of requests) {
      // The host is a part of many answers.
      const asked = { ...request, headers: { host: 'example.test', ...request.headers } }
      const expected = await answerOf(ownPort, asked)
      expect({ asked, answer: await answerOf(port, asked) }).toEqual({ asked, answer: expected })
      seen.push(`${expected.status} ${expected.body}`)
    }
    expect(new Set(seen).size).toBeGreaterThan(1)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
