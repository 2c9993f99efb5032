/** Waits until an instance answers its health path. */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { HEADERS, HEALTH_PATH } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, ServedHandlers } from '../contract/index.ts'
import type { Engine, Instance, InstanceAddress } from '../engines/index.ts'

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 25
/** Asking the engine whether it is alive costs more than asking the instance itself. */
const LIFE_CHECK_EVERY_MS = 100
const ASK_MS = 5_000

const HealthAnswer = z.object({ served: ServedHandlers.optional() })

export interface ReadinessOptions {
  timeoutMs: number
  signal: AbortSignal
}

/** @throws RyoFaasError START_FAILED if it dies or is not ready in time; CANCELLED. */
export async function waitUntilReady(
  engine: Pick<Engine, 'instance'>,
  instance: Instance,
  options: ReadinessOptions,
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs
  let nextLifeCheck = performance.now() + LIFE_CHECK_EVERY_MS
  let pauseMs = FIRST_PAUSE_MS
  let state = instance.state
  for (;;) {
    if (options.signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${instance.route} was cancelled`)
    if (state.kind === 'exited') throw new RyoFaasError('START_FAILED', `it ${state.reason} before it was ready`)
    if (await isHealthy({ ...instance, state })) return
    const isLate = performance.now() > deadline
    if (isLate || performance.now() > nextLifeCheck) {
      nextLifeCheck = performance.now() + LIFE_CHECK_EVERY_MS
      const found = await engine.instance(instance.id)
      if (!found) throw new RyoFaasError('START_FAILED', 'it was removed before it was ready')
      state = found.state
    }
    // Report an instance that exited as such: requests to its dead address may have used up the time.
    if (isLate && state.kind === 'running') {
      throw new RyoFaasError('START_FAILED', `it was not ready within ${options.timeoutMs} ms`, {
        hint: 'Does the module wait or loop while it loads? The handler is only called once loading is done.',
      })
    }
    await delay(pauseMs)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.2)
  }
}

/**
 * The routes of a service; undefined for any other function.
 * @throws RyoFaasError START_FAILED
 */
export async function askServed(address: InstanceAddress): Promise<ServedHandlers | undefined> {
  try {
    const answer = await askHealth(address)
    return HealthAnswer.parse(JSON.parse(answer)).served
  } catch (error) {
    throw new RyoFaasError('START_FAILED', 'it did not report its routes', { cause: error })
  }
}

/** Not with `fetch`, which refuses port 6000. */
async function askHealth(address: InstanceAddress): Promise<string> {
  const signal = AbortSignal.timeout(ASK_MS)
  const request = get({ ...address, path: HEALTH_PATH, agent: false, signal })
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage]
  return text(response)
}

/** One request, at most one second. Another instance that now has the address says no. */
export async function isHealthy({ id, state }: Pick<Instance, 'id' | 'state'>): Promise<boolean> {
  if (state.kind !== 'running') return false
  const headers = { [HEADERS.instance]: id }
  const options = { ...state.address, path: HEALTH_PATH, headers, agent: false, timeout: 1000 }
  return new Promise(resolve => {
    const request = get(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.once('error', () => resolve(false)).once('timeout', () => request.destroy())
  })
}
