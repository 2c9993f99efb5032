import { setTimeout as delay } from 'node:timers/promises'
import { context } from '@ryo-faas/runtime'

const STEPS = 4
const STEP_MS = 1_000

/** A job that takes longer than anyone wants to wait: four seconds, a log line for each, then the result. */
export async function MethodAsync(request: Request): Promise<Response> {
  const { callId, attempt, log, signal } = context()
  const input = await request.text()
  for (let step = 1; step <= STEPS; step++) {
    // Rejects when the call is cancelled: the job ends there.
    await delay(STEP_MS, undefined, { signal })
    log.info(`step ${step} of ${STEPS}`)
  }
  return Response.json({ callId, attempt, steps: STEPS, input })
}
