/**
 * The web standard's server: an object with `fetch(request, env, ctx)`. Cloudflare's modules, Bun, Deno, Hono, H3, Yoga
 * and all that can be mounted in them. `scheduled` of a Worker runs only when the platform says so.
 */
import type { FunctionContext } from '../../context.ts'
import type { TriggerHandler, WebHandler } from '../../handlers.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'

interface FetchObject {
  fetch(request: Request, env: unknown, context: ExecutionContext): Response | Promise<Response>
  scheduled?(event: ScheduledEvent, env: unknown, context: ExecutionContext): unknown
}

/** As in Workers. There is no origin that a failing request could pass through to, so an exception is answered. */
interface ExecutionContext {
  waitUntil(work: PromiseLike<unknown>): void
  passThroughOnException(): void
  readonly props: Readonly<Record<string, unknown>>
}

interface ScheduledEvent {
  readonly type: 'scheduled'
  /** Milliseconds since 1970. */
  readonly scheduledTime: number
  readonly cron: string
  noRetry(): void
}

/** Name of the only trigger, below `EVENTS_PREFIX`. */
const SCHEDULED = 'scheduled'

export async function fetchObject(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const server = (await exported) as FetchObject
  if (typeof server?.fetch !== 'function') throw mismatch(surroundings, 'an object with fetch(request)')
  const { env } = surroundings
  const handler: WebHandler = (request, context) => server.fetch(request, env, executionContext(context))
  const adapted: Adapted = { handler: { style: 'web', handler } }
  if (typeof server.scheduled !== 'function') return adapted
  const scheduled: TriggerHandler = async (event, context) => {
    await server.scheduled!(scheduledEvent(event), env, executionContext(context))
  }
  return { ...adapted, triggers: new Map([[SCHEDULED, { handler: scheduled }]]) }
}

const NO_PROPS = {}

function executionContext({ waitUntil }: FunctionContext): ExecutionContext {
  return { waitUntil, passThroughOnException, props: NO_PROPS }
}

function passThroughOnException(): void {}

/** @param event a CloudEvent with `data: { cron }` */
function scheduledEvent(event: unknown): ScheduledEvent {
  const { time, data } = event as { time?: string; data?: { cron?: string } }
  const scheduledTime = time === undefined ? Date.now() : Date.parse(time)
  return { type: 'scheduled', scheduledTime, cron: data?.cron ?? '', noRetry: () => {} }
}
