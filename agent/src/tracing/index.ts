/** What every part of the platform is told of tracing. */
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import { z } from 'zod'

export const TracingInput: z.ZodType<TracingSettings> = z.strictObject({
  url: z.url(),
  perSecond: z.number().min(0),
  ratio: z.number().min(0).max(1),
  slowMs: z.number().min(0),
})
