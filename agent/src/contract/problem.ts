import { z } from 'zod'

/**
 * One finding in the user's files. Lines and columns count from 1; columns are UTF-16 units, as editors show them.
 * A problem without a place in a file (such as a missing file) is at line 1, column 1 of the file that caused it.
 */
export const Problem = z.object({
  /** Stable, kebab-case, e.g. `wrong-parameters`. */
  code: z.string(),
  message: z.string(),
  /** Absolute path. */
  file: z.string(),
  line: z.int().min(1),
  column: z.int().min(1),
  endLine: z.int().min(1).optional(),
  endColumn: z.int().min(1).optional(),
  /** What to do about it, if the message does not say it. */
  hint: z.string().optional(),
  /** Name of what it is about, if that is fixed elsewhere: the missing secret. */
  subject: z.string().optional(),
})
export type Problem = z.infer<typeof Problem>
