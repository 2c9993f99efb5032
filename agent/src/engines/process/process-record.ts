import { z } from 'zod'
import { ProcessIdentity } from '../../host/index.ts'
import type { Instance } from '../engine.ts'

/** What is stored of an instance, so that a restarted agent finds it. `<home>/run/instances/<id>.json`. */
export const ProcessRecord = z.object({
  id: z.string(),
  route: z.string(),
  version: z.int(),
  startedAt: z.string(),
  /** It waited in the pool; `startedAt` is when it was handed its code. */
  origin: z.literal('pool').optional(),
  memoryMb: z.number(),
  identity: ProcessIdentity,
  port: z.int().optional(),
  /** A program that knows nothing of ours, which may have started others. */
  isPlain: z.boolean().optional(),
  exit: z.object({ at: z.string(), code: z.int().nullable(), reason: z.string() }).optional(),
})
export type ProcessRecord = z.infer<typeof ProcessRecord>

/** What an instance writes to its ready file. */
export const ReadyFile = z.object({ port: z.int().min(1), pid: z.int() })

export function outOfMemory({ memoryMb }: ProcessRecord): string {
  return `out of memory (limit ${memoryMb} MB)`
}

export function exitReason(record: ProcessRecord, code: number | null, signal: NodeJS.Signals | null): string {
  // V8 aborts when its heap limit is reached, and hardly for any other reason.
  if (signal === 'SIGABRT' || code === 134) return outOfMemory(record)
  return signal === null ? `exited with code ${code}` : `killed by ${signal}`
}

export function toInstance(record: ProcessRecord, isFrozen = false): Instance {
  const { id, route, version, startedAt, origin, identity, port, exit } = record
  return {
    id,
    route,
    version,
    name: `${route} (pid ${identity.pid})`,
    startedAt,
    ...(origin && { origin }),
    state: exit
      ? { kind: 'exited', ...exit }
      : { kind: isFrozen ? 'frozen' : 'running', address: { host: '127.0.0.1', port: port! } },
  }
}
