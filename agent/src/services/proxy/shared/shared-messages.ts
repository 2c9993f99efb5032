/** What proxies on other machines and the agent say to each other over NATS, besides the table itself. */
import { z } from 'zod'
import { AccessKeys } from '../../../access/index.ts'
import { Demand } from '../control/proxy-control.ts'

/** What all proxies of a platform have in common; it comes with the table. */
export const SharedSettings = z.object({
  access: AccessKeys,
  asyncBodyLimitBytes: z.int().min(0),
  callbackAllow: z.array(z.string()),
})
export type SharedSettings = z.infer<typeof SharedSettings>

export const SharedDemand = z.object({
  id: z.string(),
  /** Functions that it does not name are not asked for. */
  isWhole: z.boolean(),
  lines: z.array(Demand),
})
export type SharedDemand = z.infer<typeof SharedDemand>

export const QUESTIONS = ['stats', 'figures', 'keyUses'] as const
export const SharedQuestion = z.object({ what: z.enum(QUESTIONS) })

/** What a message is sealed for. */
export const PURPOSES = { demand: 'demand', question: 'question', answer: 'answer' } as const
