/**
 * Serves a function of its own, once, on loopback. What Node and V8 load and compile when it is first used is there
 * afterwards: a process that waits for a function does this, and the first call takes half as long.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { instanceOptions } from '../options.ts'
import { ENV, HEALTH_PATH } from '../protocol/index.ts'
import { Tracing } from '../telemetry/index.ts'
import { createFunctionServer } from './function-server.ts'
import { singleHandler } from './handler-set.ts'

const ENVIRONMENT = {
  [ENV.host]: '127.0.0.1',
  [ENV.port]: '0',
  [ENV.timeoutMs]: '10000',
  [ENV.concurrency]: '10',
  [ENV.bodyLimitBytes]: '1000',
}
/** Nobody else knows the port. */
const PATIENCE = { lameDuckMs: 0, drainMs: 0, graceMs: 0 }
const BODY = '{}'
const REQUESTS = [
  `GET ${HEALTH_PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n`,
  `POST /?a=b HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n${BODY}`,
]

/** Leaves nothing behind but what is loaded. Rejects if this process may not listen. */
export async function rehearse(): Promise<void> {
  const name = 'rehearsal'
  const options = instanceOptions(name, ENVIRONMENT)
  const tracing = new Tracing({ settings: undefined, resource: {} })
  const handler = async (request: Request) => new Response(await request.text(), { headers: { 'x-any': 'any' } })
  const instance = { options, tracing, patience: PATIENCE }
  const server = createFunctionServer(singleHandler({ style: 'web', handler }), instance)
  try {
    const socket = connect(await server.listen(), options.host)
    socket.end(REQUESTS.join(''))
    await once(socket.resume(), 'close')
  } finally {
    await server.drain()
  }
}
