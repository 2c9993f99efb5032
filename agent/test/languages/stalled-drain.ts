/** What every runtime does for requests that came while it had no CPU; Node's is tried in `runtime/src/serve/function-server.test.ts`. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'
import { untilTrue } from '../support/until.ts'

/** An instance takes requests for so long after it was told to stop. */
const LAME_DUCK_MS = 100
const ATTEMPTS = 20
const REQUEST = 'GET /seen HTTP/1.1\r\nHost: a\r\n\r\n'

/** A process that serves `/seen` at `url`. */
export interface Stallable {
  url: string
  pid: number
}

/** It is stopped as a process while it drains, and goes on when its time to refuse is long over. */
export async function expectNothingUnread(start: () => Promise<Stallable>): Promise<void> {
  const { old, fresh, quiet, from, pid } = await drainingAndStopped(start)
  const late = await connectTo(from)
  const all = [old, fresh, late]
  const read = (socket: Socket) => text(socket).catch((error: Error) => error.message)
  const [answers, farewell] = [all.map(read), read(quiet)]
  for (const socket of all) socket.write(REQUEST)
  const written = performance.now()
  await untilTrue(() => performance.now() > written + 3 * LAME_DUCK_MS, 'its time to refuse is over')
  process.kill(pid, 'SIGCONT')
  const refused = expect.stringMatching(/^HTTP\/1\.1 503 .*FUNCTION_UNAVAILABLE/is) as string
  expect(await Promise.all(answers)).toEqual([refused, refused, refused])
  // Of what might just have been sent there, too, its sender knows that it was not run.
  expect(await farewell).toMatch(
    /^HTTP\/1\.1 102 .*x-ryo-faas-instance: \w+\r\n\r\nHTTP\/1\.1 503 .*x-ryo-faas-error: FUNCTION_UNAVAILABLE.*connection: close/is,
  )
  await untilTrue(() => !isAlive(pid), 'it ends')
}

/** With connections that have had an answer, and one on which nothing was sent. Tried until the process was stopped in time. */
async function drainingAndStopped(start: () => Promise<Stallable>) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { url, pid } = await start()
    const from = new URL(url)
    const all = await Promise.all([connectTo(from), connectTo(from), connectTo(from), connectTo(from)])
    const [old, fresh, quiet, asking] = all
    for (const socket of [old, quiet, asking]) expect(await ask(socket, '/seen')).toMatch(/^HTTP\/1\.1 200 /)
    const told = performance.now()
    process.kill(pid, 'SIGTERM')
    // It has begun to drain when it refuses, which ends the connection.
    while ((await ask(asking, '/.ryo-faas/health').catch(() => '503')).startsWith('HTTP/1.1 200'));
    process.kill(pid, 'SIGSTOP')
    if (performance.now() - told < LAME_DUCK_MS) return { old, fresh, quiet, from, pid }
    for (const socket of all) socket.destroy()
    process.kill(pid, 'SIGKILL')
  }
  throw new Error(`no process was stopped within ${LAME_DUCK_MS} ms`)
}

async function connectTo({ hostname, port }: URL): Promise<Socket> {
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** @returns the answer; what there is of it if the connection closes */
async function ask(socket: Socket, path: string): Promise<string> {
  let answer = ''
  const isWhole = () => {
    const [head, body] = answer.split('\r\n\r\n', 2)
    return body !== undefined && body.length >= Number(/content-length: (\d+)/i.exec(head!)![1])
  }
  socket.write(REQUEST.replace('/seen', path))
  while (!isWhole()) {
    const [piece] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [Buffer | boolean]
    if (typeof piece === 'boolean') break
    answer += piece.toString('latin1')
  }
  return answer
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
