import { z } from 'zod'

/** How a new instance came to be, and how long that took. */
export const BootFacts = z.object({
  /** `pool`: it waited already, without code; `new`: it was started from an image. */
  origin: z.enum(['pool', 'new']),
  /** Why it did not come from the pool; absent without one. */
  why: z.string().optional(),
  /** One after the other. */
  steps: z.array(z.object({ doing: z.string(), ms: z.number() })),
})
export type BootFacts = z.infer<typeof BootFacts>
