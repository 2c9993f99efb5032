/**
 * The web standard's server: an object with `fetch(request, env, ctx)`. Cloudflare's modules, Bun, Deno, Hono, H3, Yoga
 * and all that can be mounted in them. `scheduled` of a Worker runs for `schedule` in deploy.json, and for nobody else; a
 * Worker may have it alone.
 */
import type { FunctionContext } from '../../context.ts'
import type { TriggerHandler, WebHandler } from '../../handlers.ts'
import { SCHEDULED_KEY } from '../../protocol/index.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'

interface FetchObject {
  fetch?(request: Request, env: unknown, context: ExecutionContext): Response | Promise<Response>
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

export async function fetchObject(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const server = (await exported) as FetchObject
  const [answers, isScheduled] = [typeof server?.fetch === 'function', typeof server?.scheduled === 'function']
  if (!answers && !isScheduled) throw mismatch(surroundings, 'an object with fetch(request)')
  const { env } = surroundings
  const handler: WebHandler = (request, context) => server.fetch!(request, env, executionContext(context))
  const scheduled: TriggerHandler = async (event, context) => {
    await server.scheduled!(scheduledEvent(event), env, executionContext(context))
  }
  return {
    ...(answers && { handler: { style: 'web', handler } }),
    ...(isScheduled && { triggers: new Map([[SCHEDULED_KEY, { handler: scheduled }]]) }),
  }
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
