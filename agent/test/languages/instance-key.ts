/** What every runtime does for an instance with a key; Node's is tried in `runtime/src/serve/connection-guard.test.ts`. */
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'

export const INSTANCE_KEY = 'k'.repeat(43)
const HEADER = 'x-ryo-faas-instance-key'
const WRONG = [undefined, '', 'k', `${INSTANCE_KEY}k`, 'j'.repeat(43), 'é', [INSTANCE_KEY, INSTANCE_KEY]]

/** @param url of an instance whose key is `INSTANCE_KEY`, with a handler at `/seen` that answers with its headers */
export async function expectKeyWanted(url: string): Promise<void> {
  const ask = async (
    shown: string | string[] | undefined,
    more: { path?: string; agent?: Agent; body?: Buffer } = {},
  ) => {
    const { path = '/seen', agent = false, body } = more
    const headers = { 'x-ryo-faas-instance': 'bb', ...(shown !== undefined && { [HEADER]: shown }) }
    const asked = request(url + path, { agent, headers, method: body === undefined ? 'GET' : 'POST' })
    const answered = once(asked, 'response') as Promise<[IncomingMessage]>
    // Who is refused may find its connection closed while it still sends.
    answered.then(() => asked.on('error', () => undefined)).catch(() => undefined)
    asked.end(body)
    const [response] = await answered
    const { connection } = response.headers
    const said = response.headers['x-ryo-faas-instance']
    return { status: response.statusCode, connection, said, body: await text(response) }
  }
  const refused = { status: 403, connection: 'close', said: undefined }

  // A connection that does not show it learns nothing, not even which instance this is, and is closed.
  for (const shown of WRONG) expect(await ask(shown)).toMatchObject(refused)
  for (const path of ['/.ryo-faas/health', '/.ryo-faas/metrics', '/.ryo-faas/events/any', '/absent']) {
    expect(await ask(undefined, { path })).toMatchObject(refused)
  }
  expect(await ask(undefined, { body: Buffer.alloc(100_000) })).toMatchObject(refused)
  expect(JSON.parse((await ask(undefined)).body)).toEqual({ message: 'Only the platform is answered here.' })

  // It is shown once for each connection, and handlers do not see it.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    for (const shown of [INSTANCE_KEY, undefined, INSTANCE_KEY, 'wrong']) {
      const { status, body } = await ask(shown, { agent })
      expect(status).toBe(200)
      expect(body.toLowerCase()).not.toMatch(/kkk|wrong|instance-key/)
    }
  } finally {
    agent.destroy()
  }
  // That one connection has shown it says nothing about others.
  expect(await ask(undefined)).toMatchObject(refused)

  // What comes after a refused request on its connection is not run.
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('GET /seen HTTP/1.1\r\nhost: a\r\n\r\n')
  socket.write(`GET /seen HTTP/1.1\r\nhost: a\r\n${HEADER}: ${INSTANCE_KEY}\r\n\r\n`)
  const all = await text(socket).catch(() => '403')
  expect(all).toContain('403')
  expect(all).not.toContain(' 200 ')
}
