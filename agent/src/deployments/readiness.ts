/** Waits until an instance is ready: it answers its health path or, if it knows nothing of ours, accepts connections. */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { HEADERS, HEALTH_PATH, PLAIN_PROTOCOL } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, ServedHandlers } from '../contract/index.ts'
import type { Engine, Instance, InstanceAddress } from '../engines/index.ts'
import type { DeploymentRecord, VersionRecord } from './state/index.ts'

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 25
/** Asking the engine whether it is alive costs more than asking the instance itself. */
const LIFE_CHECK_EVERY_MS = 100
const ASK_MS = 5_000
const CHECK_MS = 1_000

const HealthAnswer = z.object({ served: ServedHandlers.optional(), isScheduled: z.literal(true).optional() })

/** What a connection to an instance shows; undefined: instances have no keys. */
export type KeyOfInstance = ((id: string) => string) | undefined

/** How an instance shows that it is ready. */
export type Readiness = { kind: 'runtime'; keyOf?: KeyOfInstance } | { kind: 'plain'; path: string | undefined }

export function isPlain(version: Pick<VersionRecord, 'protocol'> | undefined): boolean {
  return version?.protocol === PLAIN_PROTOCOL
}

export function readinessOf(
  version: Pick<VersionRecord, 'protocol' | 'config'> | undefined,
  keyOf?: KeyOfInstance,
): Readiness {
  return isPlain(version) ? { kind: 'plain', path: version!.config.readiness } : { kind: 'runtime', keyOf }
}

/** Headers of a request of ours to an instance. */
export function proofTo(id: string, keyOf: KeyOfInstance): Record<string, string> {
  return keyOf === undefined ? {} : { [HEADERS.instanceKey]: keyOf(id) }
}

/** The version that an instance is of. */
export function versionOf(
  record: DeploymentRecord | undefined,
  { version }: Pick<Instance, 'version'>,
): VersionRecord | undefined {
  return record?.versions.find(kept => kept.version === version)
}

export interface ReadinessOptions {
  timeoutMs: number
  signal: AbortSignal
  readiness: Readiness
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
    if (await isHealthy({ ...instance, state }, options.readiness)) return
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
        hint: HINTS[options.readiness.kind],
      })
    }
    await delay(pauseMs)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.2)
  }
}

const HINTS = {
  runtime: 'Does the module wait or loop while it loads? The handler is only called once loading is done.',
  plain: 'Does it listen on $PORT, and answer 2xx at the path that "readiness" names?',
}

/**
 * The routes of a service, and whether it takes schedules as events.
 * @throws RyoFaasError START_FAILED
 */
export async function askServed(
  address: InstanceAddress,
  proof: Record<string, string> = {},
): Promise<z.infer<typeof HealthAnswer>> {
  try {
    const answer = await askHealth(address, proof)
    return HealthAnswer.parse(JSON.parse(answer))
  } catch (error) {
    throw new RyoFaasError('START_FAILED', 'it did not report its routes', { cause: error })
  }
}

/** Not with `fetch`, which refuses port 6000. */
async function askHealth(address: InstanceAddress, headers: Record<string, string>): Promise<string> {
  const signal = AbortSignal.timeout(ASK_MS)
  const request = get({ ...address, path: HEALTH_PATH, headers, agent: false, signal })
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage]
  return text(response)
}

/** One request, at most one second. Another instance of ours that now has the address says no. */
export async function isHealthy(
  { id, state }: Pick<Instance, 'id' | 'state'>,
  readiness: Readiness = { kind: 'runtime' },
): Promise<boolean> {
  if (state.kind !== 'running') return false
  if (readiness.kind === 'plain') {
    return readiness.path === undefined ? accepts(state.address) : answers(state.address, readiness.path)
  }
  const headers = { [HEADERS.instance]: id, ...proofTo(id, readiness.keyOf) }
  const options = { ...state.address, path: HEALTH_PATH, headers, agent: false, timeout: CHECK_MS }
  return new Promise(resolve => {
    const request = get(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.once('error', () => resolve(false)).once('timeout', () => request.destroy())
  })
}

async function accepts(address: InstanceAddress): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ ...address, timeout: CHECK_MS })
    const say = (does: boolean) => {
      socket.destroy()
      resolve(does)
    }
    socket.once('connect', () => say(true)).once('timeout', () => say(false))
    socket.once('error', () => say(false))
  })
}

async function answers(address: InstanceAddress, path: string): Promise<boolean> {
  return new Promise(resolve => {
    const request = get({ ...address, path, agent: false, timeout: CHECK_MS }, response => {
      response.resume()
      resolve(response.statusCode! >= 200 && response.statusCode! < 300)
    })
    request.once('error', () => resolve(false)).once('timeout', () => request.destroy())
  })
}
