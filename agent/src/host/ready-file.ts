/** The file in which a process of the platform says that it is ready, and where: one side writes it, the other waits. */
import { z } from 'zod'
import { readIfPresent, writeAtomically } from './durable-file.ts'

const ReadyFile = z.object({ port: z.int() })

/** @param path absent if no one waits */
export async function announceReady(path: string | undefined, at: { port: number; address?: string }): Promise<void> {
  if (path !== undefined) await writeAtomically(path, `${JSON.stringify({ pid: process.pid, ...at })}\n`)
}

/**
 * @param host on which the process was told to listen
 * @returns `host:port` by which it is reached from here; `undefined` if it is not ready
 */
export async function readyAddress(path: string, host: string): Promise<string | undefined> {
  const text = await readIfPresent(path)
  return text === undefined ? undefined : `${reachable(host)}:${ReadyFile.parse(JSON.parse(text)).port}`
}

/** An address that stands for all of them is not one to call. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
