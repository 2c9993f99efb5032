/** The identity of a process as it is saved; apart from what works with one, because the keeper loads no schemas. */
import { z } from 'zod'

export const ProcessIdentity = z.object({ pid: z.int().positive(), startedAt: z.string() })
export type ProcessIdentity = z.infer<typeof ProcessIdentity>
