/**
 * What a stranger tries, and the outcome, from wherever the stranger is: this machine, another user of it, or the
 * container of a function. The same script runs everywhere.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Attempt {
  /** `http:`, `nats:` (with credentials or without), `file:`, or `unix:`, followed by the path of a socket. */
  url: string
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** By `<method> <url>`: the status of a response, what NATS says, `open` for files and sockets, or the error code. */
export type Outcomes = Record<string, string>

/**
 * Defines `attemptAll`. A response counts once its head is there. Plain JavaScript, so that any program can embed it.
 */
const SCRIPT = `
const builtin = name => process.getBuiltinModule('node:' + name)
const TIMEOUT_MS = 3000
const ways = {
  'http:': ({ url, method = 'GET', headers = {}, body }, say) => {
    const sent = builtin('http').request(url, { method, headers, agent: false }, response => {
      say(String(response.statusCode))
      sent.destroy()
    })
    sent.on('error', error => say(error.code))
    sent.end(body)
    return sent
  },
  'nats:': ({ url }, say) => {
    const { hostname, port, username: user, password: pass } = new URL(url)
    const socket = builtin('net').connect(Number(port), hostname)
    socket.once('data', () => socket.write('CONNECT ' + JSON.stringify(user ? { user, pass } : {}) + '\\r\\nPING\\r\\n'))
    socket.on('data', data => { const said = /^(?:PONG|-ERR .*)$/m.exec(data); if (said) say(said[0].trim()) })
    socket.on('error', error => say(error.code))
    return socket
  },
  'file:': ({ url }, say) => {
    try { builtin('fs').closeSync(builtin('fs').openSync(new URL(url))); say('open') } catch (error) { say(error.code) }
  },
  'unix:': ({ url }, say) => {
    const socket = builtin('net').connect(url.slice('unix:'.length), () => say('open'))
    socket.on('error', error => say(error.code))
    return socket
  },
}
const attemptOne = attempt => new Promise(resolve => {
  const timer = setTimeout(say, TIMEOUT_MS, 'timeout')
  const tried = ways[new URL(attempt.url).protocol](attempt, say)
  function say(outcome) { clearTimeout(timer); resolve(outcome); setImmediate(() => tried?.destroy()) }
})
const attemptAll = async attempts => Object.fromEntries(await Promise.all(
  attempts.map(async attempt => [(attempt.method ?? 'GET') + ' ' + attempt.url, await attemptOne(attempt)])))
`

/**
 * Code of a function that makes the attempts of its request, `{"attempts":[…]}`, with its own token if `"token":true`.
 */
export const HOSTILE = `
// @ts-nocheck
${SCRIPT}
export const Hostile = async (request: Request): Promise<Response> => {
  const { attempts, token } = await request.json()
  const own = token ? { authorization: 'Bearer ' + process.env.RYO_FAAS_TOKEN } : {}
  return Response.json(await attemptAll(attempts.map(one => ({ ...one, headers: { ...own, ...one.headers } }))))
}`

export interface User {
  uid: number
  gid: number
}

/** Without `user`: as the user who runs this test. */
export async function attemptHere(attempts: readonly Attempt[], user?: User): Promise<Outcomes> {
  // It switches user itself: the program may be in a folder that others cannot read.
  const become = user && `process.setgroups([]); process.setgid(${user.gid}); process.setuid(${user.uid});`
  const code = `${become ?? ''}${SCRIPT}
    let given = ''
    process.stdin.on('data', text => (given += text)).on('end', async () => {
      process.stdout.write(JSON.stringify(await attemptAll(JSON.parse(given))), () => process.exit())
    })`
  const running = run(process.execPath, ['-e', code], { cwd: '/', maxBuffer: 16 * 1024 * 1024 })
  running.child.stdin!.end(JSON.stringify(attempts))
  return JSON.parse((await running).stdout) as Outcomes
}

/** `<method> <url>` of each, with the same outcome for all. */
export function all(attempts: readonly Attempt[], outcome: string): Outcomes {
  return Object.fromEntries(attempts.map(({ method = 'GET', url }) => [`${method} ${url}`, outcome]))
}
