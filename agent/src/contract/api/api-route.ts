/** One request of the agent API. */
import type { z } from 'zod'
import type { Need } from '../token.ts'

export interface ApiRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  needs: Need
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodObject
  response: z.ZodType
  stream?: true
  /** Responds when the work is done, which may take long. */
  isLong?: true
  /** Reads files of the machine by their path: only for its own operator, never for a caller from elsewhere. */
  readsDisk?: true
  /** Its body is `application/x-tar` instead of JSON, and is not held in memory. */
  takesBytes?: true
  /** Its response is a file (`application/gzip`) instead of JSON, and is not held in memory. */
  givesBytes?: true
  /** Largest JSON body, if it may be larger than usual. */
  bodyLimitBytes?: number
  summary: string
}
