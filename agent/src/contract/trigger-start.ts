import { z } from 'zod'

/** The first document event that a trigger sees: by its sequence in the store's log, or by when the bus got it. */
export const StartFrom = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sequence'), sequence: z.int().min(0) }),
  z.strictObject({ kind: z.literal('time'), time: z.iso.datetime() }),
])
export type StartFrom = z.infer<typeof StartFrom>

export const TriggerStart = z.strictObject({
  /** The start with the greater epoch wins; use milliseconds since 1970. */
  epoch: z.int().min(0),
  from: StartFrom,
})
export type TriggerStart = z.infer<typeof TriggerStart>
