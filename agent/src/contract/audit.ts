import { z } from 'zod'

/** One thing that was done to the platform. */
export const AuditView = z.object({
  /** ISO time of the request. */
  time: z.string(),
  action: z.string().describe('Operation of the API, such as deploy or revokeKey'),
  target: z.string().optional().describe('What it was done to'),
  who: z.string().describe('Whose token it was, and the user of the machine that the client names'),
  from: z.string().describe('Address that the request came from'),
  outcome: z
    .string()
    .optional()
    .describe('ok, or the code of an error; absent if it is running, or the agent ended before'),
})
export type AuditView = z.infer<typeof AuditView>
