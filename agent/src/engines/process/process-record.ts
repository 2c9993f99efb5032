import { z } from 'zod'
import { ProcessIdentity } from '../../host/index.ts'

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
  exit: z.object({ at: z.string(), code: z.int().nullable(), reason: z.string() }).optional(),
})
export type ProcessRecord = z.infer<typeof ProcessRecord>

/** What an instance writes to its ready file. */
export const ReadyFile = z.object({ port: z.int().min(1), pid: z.int() })
