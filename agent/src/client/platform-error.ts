import { z } from 'zod'

/** The part of a data plane error that clients read; the protocol has the full shape. */
export const PlatformErrorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) })
