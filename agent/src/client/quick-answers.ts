/**
 * What the agent answers, for commands that are to be as quick as a shell's own: nothing is loaded to validate it, so it
 * is asked only of an agent of our own version. Whatever is not as usual is left to the ordinary client, which can tell
 * what is wrong.
 */
import { connect } from 'node:net'
import { readAgentRecord } from './agent-record.ts'
import { exchange, proveListener } from './prove-listener.ts'

const PATIENCE_MS = 2_000
const MAX_BYTES = 64e6

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

async function answer(address: string, token: string): Promise<unknown> {
  const { hostname, port, host, pathname } = new URL(address)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true })
  try {
    await proveListener(socket, { token, port: Number(port), patienceMs: PATIENCE_MS })
    const head = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`
    const { status, body } = await exchange(socket, head, { patienceMs: PATIENCE_MS, maxBytes: MAX_BYTES })
    if (status !== 200) throw new Error(`it returned ${status}`)
    return JSON.parse(body)
  } finally {
    socket.destroy()
  }
}
