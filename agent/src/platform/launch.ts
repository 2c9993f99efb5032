/** What every phase of the start has at hand. */
import type { EventEmitter } from 'node:events'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import type { PlatformEvent, PlatformView } from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import { StateStore } from '../deployments/state/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import type { Part, RunningPart, Supervisor } from '../supervisor/index.ts'
import type { Ahead } from './ahead.ts'
import { TokenStore } from '../tokens/index.ts'
import { ensureSecrets, type EnsuredSecrets } from './ensured-secrets.ts'
import type { PlatformOptions } from './options.ts'
import type { PlatformMetrics } from './platform-metrics.ts'
import type { RoutesSink } from './routes-sink.ts'
import type { PreparedEngine } from './sharing/engine-ahead.ts'
import type { Started } from './started.ts'
import type { Timeline } from './timeline.ts'

export interface Home {
  folder: string
  state: StateStore
  secrets: EnsuredSecrets
  tokens: TokenStore
  /** An earlier agent died without stopping the platform: it still runs on its ports, whatever happens to us. */
  isAdopted: boolean
}

export interface Launch {
  /** Release of ryo-faas. */
  version: string
  /** Names our code: parts that run another one are replaced. */
  release: string
  home: Home
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  runtimeDir: string
  ahead?: Ahead | undefined
  logger: FastifyBaseLogger
  supervisor: Supervisor
  secrets: SecretStore
  routes: RoutesSink
  metrics: PlatformMetrics
  /** Everything that happens; clients hear of it. */
  events: EventEmitter<{ event: [PlatformEvent] }>
  /** With several agents: what only the one that leads may do. */
  guard?: ((engine: Engine) => Engine) | undefined
  /** Of several agents: whether this one leads at this moment. */
  isHeld?: (() => boolean) | undefined
  /** With several agents: the epoch in which this one leads. */
  term?: number | undefined
  /** With several agents: another one led until now. */
  hasStoodBy?: boolean | undefined
  /** It stood by: its engine is prepared. */
  engineAhead?: PreparedEngine | undefined
  started: Started
  timeline: Timeline
  report: {
    doing(text: string): void
    engine(view: EngineView): void
  }
}

export type EngineView = Pick<PlatformView, 'engine' | 'engineNote' | 'isolation' | 'capabilities'>

/** @param options.keepsKeys others have them too, whether the platform runs or not */
export async function openHome(
  folder: string,
  { isAdopted, keepsKeys }: { isAdopted: boolean; keepsKeys: boolean },
): Promise<Home> {
  const state = await StateStore.open(join(folder, 'state.json'))
  if (!isAdopted) await state.update(next => void (next.ports = {}))
  const [secrets, tokens] = await Promise.all([
    ensureSecrets(folder, { keep: isAdopted || keepsKeys }),
    TokenStore.open(folder),
  ])
  return { folder, state, secrets, tokens, isAdopted }
}

/** A part that cannot be started is ended too: it may run, and not respond. */
export async function startPart({ supervisor, started, timeline }: Launch, part: Part): Promise<RunningPart> {
  started.add({
    end: async () => {
      await supervisor.stop(part)
      return [part.name]
    },
  })
  return timeline.measure(part.name, () => supervisor.start(part))
}

/** Its port is kept, so that clients find a restarted part where it was. */
export async function startListening(launch: Launch, part: Part): Promise<number> {
  const { state } = launch.home
  const { address } = await startPart(launch, part)
  const port = Number(address?.split(':').at(-1))
  if (port) await state.rememberPort(part.name, port)
  return state.current.ports[part.name]!
}
