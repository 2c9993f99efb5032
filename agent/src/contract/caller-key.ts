import { z } from 'zod'

/** A key with which callers call functions. Times in ISO format. */
export const KeyView = z.object({
  id: z.string(),
  name: z.string(),
  functions: z.array(z.string()).optional().describe('That it opens; absent: all that take keys'),
  events: z.literal(true).optional().describe('Whether it may post events'),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  usedAt: z.string().optional().describe('Last use, to the minute if the proxy was restarted since'),
})
export type KeyView = z.infer<typeof KeyView>
