import { z } from 'zod'

/** What clients read of a platform error of the data plane; see the protocol for the whole. */
export const PlatformErrorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) })
