import { z } from 'zod'

export const MAX_INSTANCES = 100

/** How many instances of a function run, and when it sleeps. */
export const Scale = z
  .strictObject({
    min: z.int().min(0).max(MAX_INSTANCES).default(0).describe('Instances that always run; 0: it sleeps when idle.'),
    max: z.int().min(1).max(MAX_INSTANCES).default(10).describe('Most instances at a time.'),
    idleMs: z
      .int()
      .min(100)
      .max(86_400_000)
      .default(60_000)
      .describe('Without a call for so long, an instance is frozen: it keeps its memory and needs no processor.'),
    keepMs: z.int().min(0).max(2_000_000_000).default(900_000).describe('Frozen for so long, an instance is removed.'),
    target: z
      .number()
      .min(0.05)
      .max(1)
      .default(0.7)
      .describe('Share of its concurrency that an instance has to do on average before there is another one.'),
  })
  .refine(({ min, max }) => min <= max, 'must not have a "min" above its "max"')
export type Scale = z.infer<typeof Scale>
