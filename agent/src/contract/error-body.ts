import { z } from 'zod'
import { ERRORS, type ErrorCode } from './error-table.ts'
import { Problem } from './problem.ts'

const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]

/** Wire shape of an error at the agent API and inside event streams. */
export const ErrorBody = z.object({
  /** An unknown code of a newer agent becomes INTERNAL; its message explains it. */
  code: z.enum(codes).catch('INTERNAL'),
  message: z.string(),
  /** What the user can do, one sentence. */
  hint: z.string().optional(),
  problems: z.array(Problem).optional(),
  /** Last output of an instance that failed to start. */
  logs: z.array(z.string()).optional(),
})
export type ErrorBody = z.infer<typeof ErrorBody>
