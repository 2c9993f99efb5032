import { z } from 'zod'

/** Part of a file's name: `.env.<environment>`. */
export const EnvironmentName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'must be 1 to 63 letters, digits, "_" or "-"')
  .refine(name => name !== 'local', 'must not be "local", because .env.local is for every environment')
