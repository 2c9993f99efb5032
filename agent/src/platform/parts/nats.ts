/** NATS as the first part of the platform, our own or that of others, with the streams that the others use. */
import { connectBus, ensureStreamsWithin, type BusAccess } from '../../bus/index.ts'
import type { DockerService } from '../../docker/index.ts'
import { ensureCredentials, type NatsPart } from '../../services/nats/index.ts'
import { startListening, type Launch } from '../launch.ts'
import { obtainNats } from '../nats-choice.ts'
import { GivenNats, givenAccess, removeGivenStreams } from './given-nats.ts'

const BUS_TIMEOUT_MS = 10_000

export interface StartedNats {
  access: BusAccess
  /** Absent: others run it. */
  part: NatsPart | undefined
}

export function startNats(launch: Launch, docker: DockerService): Promise<StartedNats> {
  return launch.options.natsUrl === 'own' ? startOwn(launch, docker) : startGiven(launch)
}

async function startGiven({
  options,
  started,
  supervisor,
  timeline,
  logger,
  hasStoodBy,
}: Launch): Promise<StartedNats> {
  const access = await givenAccess(options)
  const onSetUpLater = hasStoodBy
    ? (error: Error) => logger.warn({ err: error }, 'the streams are looked at again')
    : undefined
  const part = new GivenNats({
    ...{ access, replicas: options.natsReplicas, limits: limitsOf(options), onSetUpLater },
  })
  started.add({
    close: () => part.stop(),
    end: async prune => {
      supervisor.close()
      if (prune) await removeGivenStreams(access)
      return []
    },
  })
  await timeline.measure('connection to NATS', () => supervisor.start(part))
  return { access, part: undefined }
}

function limitsOf({ idempotencyWindowMs, callRetentionMs }: Launch['options']) {
  return { idempotencyWindowMs, statesMaxAgeMs: callRetentionMs }
}

async function startOwn(launch: Launch, docker: DockerService): Promise<StartedNats> {
  const { home, options, environment, report } = launch
  const { folder, state } = home
  const port = () => state.current.ports['nats'] ?? options.natsPort
  const part = await obtainNats({ home: folder, options, environment, docker, port, report: report.doing })
  const taken = await startListening(launch, part)
  const nats = { url: `nats://127.0.0.1:${taken}`, ...(await ensureCredentials(folder)) }
  const bus = await connectBus({ ...nats, name: 'agent' }, AbortSignal.timeout(BUS_TIMEOUT_MS))
  try {
    await ensureStreamsWithin(BUS_TIMEOUT_MS, bus, limitsOf(options))
    return { access: nats, part }
  } finally {
    await bus.close()
  }
}
