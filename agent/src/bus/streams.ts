/** The streams and their limits, all on disk. Only the agent sets them up; until then the others fail. */
import { setTimeout as delay } from 'node:timers/promises'
import { DiscardPolicy, nanos, RetentionPolicy, StorageType, type StreamConfig } from 'nats'
import { ask, linkOf, type Bus } from './bus.ts'
import { BusError, isApiError, JETSTREAM_ERRORS } from './bus-error.ts'
import type { BusNames } from './names.ts'
import {
  AGENT_STREAMS,
  agentsSubject,
  EVENT_SUBJECTS,
  idempotencySubject,
  PUBLISHED_SUBJECTS,
  routesSubject,
  STREAMS,
  subjectsOf,
  triggerSubject,
  versionSubject,
} from './subjects.ts'

/**
 * Ages in milliseconds. A full queue refuses new messages; a full history forgets the oldest. The server
 * reserves each stream's limit, so on a small disk all limits are halved until they fit.
 */
export interface StreamLimits {
  /** Queued and running calls. Default 2 GiB. */
  callsMaxBytes: number
  /** Large request bodies of queued, running and dead calls. Default 2 GiB. */
  bodiesMaxBytes: number
  /** Results on their way to a callback. Default 1 GiB. */
  callbacksMaxBytes: number
  /**
   * The history, with small results. Default 1 GiB, 7 days and 500,000 calls: the server keeps an index of the subjects
   * in memory, about 400 bytes for each.
   */
  statesMaxBytes: number
  statesMaxCount: number
  statesMaxAgeMs: number
  /** Large results; kept as long as the history. Default 1 GiB. */
  resultsMaxBytes: number
  /** Dead letters. Default 512 MiB and 30 days. */
  deadMaxBytes: number
  deadMaxAgeMs: number
  /** Changes of documents, kept for replay. Default 1 GiB. Dispatchers trim it: they know what is still needed. */
  eventsMaxBytes: number
  /** Published events. Default 512 MiB; trimmed as `events` are. */
  publishedMaxBytes: number
  /** How long an idempotency key is remembered. Default 24 h. */
  idempotencyWindowMs: number
  /** On how many servers of a cluster each stream is kept. Default 1. */
  replicas: number
  /** Streams that have more replicas keep them: a cluster may lack members for a while. */
  mayLowerReplicas: boolean
}

const MIB = 1024 ** 2
const DAY_MS = 86_400_000
const DEFAULTS: StreamLimits = {
  callsMaxBytes: 2048 * MIB,
  bodiesMaxBytes: 2048 * MIB,
  callbacksMaxBytes: 1024 * MIB,
  statesMaxBytes: 1024 * MIB,
  statesMaxCount: 500_000,
  statesMaxAgeMs: 7 * DAY_MS,
  resultsMaxBytes: 1024 * MIB,
  deadMaxBytes: 512 * MIB,
  deadMaxAgeMs: 30 * DAY_MS,
  eventsMaxBytes: 1024 * MIB,
  publishedMaxBytes: 512 * MIB,
  idempotencyWindowMs: DAY_MS,
  replicas: 1,
  mayLowerReplicas: true,
}
/** One key takes about 200 bytes. */
const IDEMPOTENCY_MAX_BYTES = 256 * MIB
const TRIGGERS_MAX_BYTES = 16 * MIB
const AGENTS_MAX_BYTES = 64 * MIB
const VERSIONS_MAX_BYTES = 4096 * MIB
/** A route takes about 600 bytes, and each that was ever removed 100. */
const ROUTES_MAX_BYTES = 128 * MIB
const ASK_AGAIN_MS = 200
const LEAST_SHARE = 1 / 1024
/** Within it, a second publish with the same message id is a duplicate. */
const DUPLICATE_WINDOW_MS = 120_000
/** Of published events, whose senders repeat them: the server keeps each id in memory for as long. */
const PUBLISHED_WINDOW_MS = 600_000

type Config = Partial<StreamConfig> & { name: string; max_bytes: number; num_replicas: number }

/**
 * Creates the streams, or updates their limits. May run twice, also at the same time.
 * @returns how many copies there are of that which has fewest
 * @throws BusError
 */
export function ensureStreams(bus: Bus, limits: Partial<StreamLimits> = {}): Promise<number> {
  const all = { ...DEFAULTS, ...limits }
  return ensureAll(bus, configs(all), all)
}

/**
 * The same with those that only several agents need.
 * @throws BusError
 */
export function ensureAgentStreams(
  bus: Bus,
  { replicas, mayLowerReplicas }: Pick<StreamLimits, 'replicas' | 'mayLowerReplicas'> = DEFAULTS,
): Promise<number> {
  const wanted = [
    {
      name: AGENT_STREAMS.agents,
      subjects: [agentsSubject('>')],
      ...kept({ maxBytes: AGENTS_MAX_BYTES }),
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      // A replica may be behind, and who leads must not be read from one.
      allow_direct: false,
    },
    {
      name: AGENT_STREAMS.versions,
      subjects: [versionSubject('*', '*')],
      ...kept({ maxBytes: VERSIONS_MAX_BYTES }),
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
    },
  ]
  return ensureAll(bus, wanted, { replicas, mayLowerReplicas })
}

async function ensureAll(
  bus: Bus,
  configured: Omit<Config, 'num_replicas'>[],
  { replicas, mayLowerReplicas }: Pick<StreamLimits, 'replicas' | 'mayLowerReplicas'>,
): Promise<number> {
  const { names } = linkOf(bus)
  const wanted = configured.map(config => ({ ...asOnServer(config, names), num_replicas: replicas }))
  for (let share = 1; ; share /= 2) {
    const outcomes = await Promise.allSettled(
      wanted.map(config =>
        ensureStream(bus, { ...config, max_bytes: Math.floor(config.max_bytes * share) }, mayLowerReplicas),
      ),
    )
    const failures = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason as BusError] : []))
    if (failures.length === 0) return Math.min(...outcomes.map(outcome => (outcome as { value: number }).value))
    const isDiskSmall = failures.every(({ code }) => code === 'FULL')
    if (!isDiskSmall || share < LEAST_SHARE) throw failures[0]!
  }
}

/**
 * The same, with patience for a server that responds late, or says that it is not ready: it is still loading its data, or
 * a cluster chooses who leads.
 * @throws BusError
 */
export async function ensureStreamsWithin(timeoutMs: number, bus: Bus, limits: Partial<StreamLimits>): Promise<number> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await ensureStreams(bus, limits)
    } catch (error) {
      const isUnready = error instanceof BusError && error.code === 'UNAVAILABLE'
      if (!isUnready || performance.now() > deadline) throw error
      await delay(ASK_AGAIN_MS)
    }
  }
}

/** Updates first, because creating a stream that already exists reserves its space a second time. */
function ensureStream(bus: Bus, config: Config, mayLowerReplicas: boolean): Promise<number> {
  return ask(bus, async manager => {
    for (;;) {
      try {
        const least = mayLowerReplicas ? 0 : (await manager.streams.info(config.name)).config.num_replicas
        const replicas = Math.max(config.num_replicas, least)
        await manager.streams.update(config.name, { ...config, num_replicas: replicas })
        return replicas
      } catch (error) {
        if (!isApiError(error, JETSTREAM_ERRORS.streamNotFound)) throw error
      }
      try {
        await manager.streams.add(config)
        return config.num_replicas
      } catch (error) {
        // Another agent was faster, and may want other limits.
        if (!isApiError(error, JETSTREAM_ERRORS.streamNameInUse)) throw error
      }
    }
  })
}

/**
 * Removes the streams with all that is in them.
 * @returns how many there were
 * @throws BusError
 */
export async function removeStreams(bus: Bus): Promise<number> {
  const outcomes = await Promise.all(
    Object.values({ ...STREAMS, ...AGENT_STREAMS }).map(stream =>
      ask(bus, async (manager, names) => {
        try {
          return await manager.streams.delete(names.stream(stream))
        } catch (error) {
          if (isApiError(error, JETSTREAM_ERRORS.streamNotFound)) return false
          throw error
        }
      }),
    ),
  )
  return outcomes.filter(Boolean).length
}

/** With the names that the server knows. */
function asOnServer<Named extends Pick<StreamConfig, 'name'> & Partial<StreamConfig>>(
  config: Named,
  { stream, subject }: BusNames,
): Named {
  const { name, subjects, republish } = config
  return {
    ...config,
    name: stream(name),
    ...(subjects && { subjects: subjects.map(subject) }),
    ...(republish && { republish: { ...republish, src: subject(republish.src), dest: subject(republish.dest) } }),
  }
}

function configs(limits: StreamLimits): Omit<Config, 'num_replicas'>[] {
  return [
    {
      name: STREAMS.calls,
      subjects: [subjectsOf('call')],
      ...waiting(limits.callsMaxBytes),
      allow_direct: true,
      // Watchers get the head of what is stored, so accepting a call stays one publish.
      republish: { src: subjectsOf('call'), dest: 'rfa.accepted.{{wildcard(1)}}.{{wildcard(2)}}', headers_only: true },
    },
    {
      name: STREAMS.callbacks,
      subjects: [subjectsOf('callback')],
      ...waiting(limits.callbacksMaxBytes),
    },
    {
      name: STREAMS.bodies,
      subjects: [`${subjectsOf('body')}.*`],
      ...kept({ maxBytes: limits.bodiesMaxBytes }),
      // The body of a waiting call must not be dropped for another.
      discard: DiscardPolicy.New,
    },
    {
      name: STREAMS.results,
      subjects: [`${subjectsOf('result')}.*`],
      ...kept({ maxBytes: limits.resultsMaxBytes, maxAgeMs: limits.statesMaxAgeMs }),
    },
    {
      name: STREAMS.states,
      subjects: [subjectsOf('state')],
      ...kept({ maxBytes: limits.statesMaxBytes, maxAgeMs: limits.statesMaxAgeMs }),
      max_msgs: limits.statesMaxCount,
      max_msgs_per_subject: 1,
      republish: { src: subjectsOf('state'), dest: 'rfa.changed.{{wildcard(1)}}.{{wildcard(2)}}', headers_only: true },
    },
    {
      name: STREAMS.dead,
      subjects: [subjectsOf('dead')],
      ...kept({ maxBytes: limits.deadMaxBytes, maxAgeMs: limits.deadMaxAgeMs }),
      max_msgs_per_subject: 1,
    },
    {
      name: STREAMS.events,
      subjects: [EVENT_SUBJECTS],
      ...kept({ maxBytes: limits.eventsMaxBytes }),
      // An event that a trigger has not seen yet must not be dropped for another: the store waits.
      discard: DiscardPolicy.New,
    },
    {
      name: STREAMS.published,
      subjects: [PUBLISHED_SUBJECTS],
      ...kept({ maxBytes: limits.publishedMaxBytes }),
      discard: DiscardPolicy.New,
      duplicate_window: nanos(PUBLISHED_WINDOW_MS),
    },
    {
      name: STREAMS.triggers,
      subjects: [triggerSubject('>')],
      ...kept({ maxBytes: TRIGGERS_MAX_BYTES }),
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
    },
    {
      name: STREAMS.routes,
      subjects: [routesSubject('>')],
      ...kept({ maxBytes: ROUTES_MAX_BYTES }),
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
    },
    {
      name: STREAMS.idempotency,
      subjects: [idempotencySubject('*')],
      ...kept({ maxBytes: IDEMPOTENCY_MAX_BYTES, maxAgeMs: limits.idempotencyWindowMs }),
      max_msgs_per_subject: 1,
      allow_rollup_hdrs: true,
    },
  ]
}

function waiting(maxBytes: number) {
  return {
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_bytes: maxBytes,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  }
}

function kept({ maxBytes, maxAgeMs = 0 }: { maxBytes: number; maxAgeMs?: number }) {
  return {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_bytes: maxBytes,
    max_age: nanos(maxAgeMs),
    allow_direct: true,
    duplicate_window: nanos(maxAgeMs === 0 ? DUPLICATE_WINDOW_MS : Math.min(maxAgeMs, DUPLICATE_WINDOW_MS)),
  }
}
