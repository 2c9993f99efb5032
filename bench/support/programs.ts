/** Starts programs, waits until they respond, and stops them. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import http from 'node:http'
import net from 'node:net'
import { promisify } from 'node:util'
import type { Stage } from './stage.ts'

const START_TIMEOUT_MS = 30_000

export interface Program {
  pid: number
  url: string
  /** From spawn to first response. */
  bootMs: number
  /** Sends SIGTERM and waits for the exit. */
  stop(): Promise<void>
}

export interface Command {
  command: string
  args: string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Any response at this address means that it runs. */
  url: string
}

export async function startProgram(stage: Stage, { command, args, env, cwd, url }: Command): Promise<Program> {
  const begin = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: env ?? process.env,
    ...(cwd !== undefined && { cwd }),
  })
  const stop = stopper(child)
  stage.onEnd(stop)
  await firstAnswer(url, () => child.exitCode !== null || child.signalCode !== null)
  return { pid: child.pid!, url, bootMs: performance.now() - begin, stop }
}

function stopper(child: ChildProcess): () => Promise<void> {
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()).once('error', () => resolve()))
  return async () => {
    child.kill('SIGTERM')
    await gone
  }
}

/** Polls with minimal pauses until there is a response. */
async function firstAnswer(url: string, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while ((await textOf(url)) === undefined) {
    if (hasEnded()) throw new Error(`what should answer at ${url} has ended`)
    if (performance.now() > deadline) throw new Error(`nothing answers at ${url}`)
    await pause(1)
  }
}

/** Polls until the response is `text`; resolves with the time of that. */
export async function untilAnswer(url: string, text: string, options: { signal?: AbortSignal } = {}): Promise<number> {
  const deadline = performance.now() + START_TIMEOUT_MS
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  try {
    while ((await textOf(url, agent)) !== text) {
      options.signal?.throwIfAborted()
      if (performance.now() > deadline) throw new Error(`${url} never answered "${text}"`)
      await pause(2)
    }
    return performance.now()
  } finally {
    agent.destroy()
  }
}

/** The body of the response; `undefined` if there was none. */
export function textOf(url: string, agent: http.Agent | false = false): Promise<string | undefined> {
  return new Promise(resolve => {
    const request = http.get(url, { agent }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve(text))
      response.on('error', () => resolve(undefined))
    })
    request.on('error', () => resolve(undefined))
  })
}

export async function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { ...options, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`"${command}" is needed and not there (on Debian: apt-get install ${command})`, { cause: error })
  }
}

/** Retries until it works; fails with the last error. */
export async function until<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await pause(5)
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
