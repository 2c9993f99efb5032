/**
 * What the agent answers, for commands that are to be as quick as a shell's own: nothing is loaded to validate it, so it
 * is asked only of an agent of our own version. Whatever is not as usual is left to the ordinary client, which can tell
 * what is wrong.
 */
import http from 'node:http'
import { connect, type Socket } from 'node:net'
import { RyoFaasError, type ErrorBody } from '../contract/index.ts'
import { readAgentRecord } from './agent-record.ts'
import { exchange, proveListener } from './prove-listener.ts'
import { USER_AGENT } from './user-agent.ts'

const PATIENCE_MS = 2_000
const MAX_BYTES = 64e6
/** Three heartbeats. */
const STREAM_SILENCE_MS = 45_000

/** @returns the parsed responses to a GET of each path; undefined if any of them needs the ordinary client */
export async function quickAnswers(
  { home, version }: { home: string; version: string },
  paths: readonly string[],
): Promise<unknown[] | undefined> {
  try {
    const { agent, token } = await readAgentRecord(home)
    if (agent.version !== version) return undefined
    return await Promise.all(paths.map(path => answer(agent.url + path, token)))
  } catch {
    return undefined
  }
}

/**
 * Connects to the agent, which proves itself on the way.
 * @returns what asks it for something, once, or to do what `body` says: the lines that it answers; undefined if it needs
 * the ordinary client
 */
export async function quickStream({
  home,
  version,
}: {
  home: string
  version: string
}): Promise<((path: string, asked: { body?: unknown; signal: AbortSignal }) => AsyncGenerator<unknown>) | undefined> {
  try {
    const { agent, token } = await readAgentRecord(home)
    if (agent.version !== version) return undefined
    const socket = await provenSocket(agent.url, token)
    return (path, { body, signal }) => lines(socket, { url: agent.url + path, token, body, signal })
  } catch {
    return undefined
  }
}

interface Asked {
  url: string
  token: string
  body: unknown
  signal: AbortSignal
}

/** Ends early when `signal` aborts, which the agent notices. @throws RyoFaasError: the agent's, or NOT_RUNNING */
async function* lines(socket: Socket, { url, token, body, signal }: Asked): AsyncGenerator<unknown> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const about = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  const request = http.request(url, {
    method: body === undefined ? 'GET' : 'POST',
    createConnection: () => socket,
    signal,
    headers: { 'user-agent': USER_AGENT, authorization: `Bearer ${token}`, ...(body !== undefined && about) },
  })
  // It begins to respond at once, and then sends heartbeats.
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no response')))
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end(text)
    })
    socket.setTimeout(STREAM_SILENCE_MS)
    response.setEncoding('utf8')
    let rest = ''
    for await (const chunk of response as AsyncIterable<string>) {
      rest += chunk
      if (response.statusCode !== 200) continue
      const all = rest.split('\n')
      rest = all.pop()!
      for (const line of all) if (line !== '') yield JSON.parse(line)
    }
    if (response.statusCode === 200) return
    throw RyoFaasError.fromBody((JSON.parse(rest) as { error: ErrorBody }).error)
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof RyoFaasError) throw error
    throw new RyoFaasError('NOT_RUNNING', 'the agent disconnected in the middle of its response', {
      hint: 'Start it with: ryo-faas startFaas',
      cause: error,
    })
  } finally {
    socket.destroy()
  }
}

async function provenSocket(address: string, token: string): Promise<Socket> {
  const { hostname, port } = new URL(address)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true })
  try {
    await proveListener(socket, { token, port: Number(port), patienceMs: PATIENCE_MS })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function answer(address: string, token: string): Promise<unknown> {
  const { host, pathname } = new URL(address)
  const socket = await provenSocket(address, token)
  try {
    const head = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`
    const { status, body } = await exchange(socket, head, { patienceMs: PATIENCE_MS, maxBytes: MAX_BYTES })
    if (status !== 200) throw new Error(`it returned ${status}`)
    return JSON.parse(body)
  } finally {
    socket.destroy()
  }
}
