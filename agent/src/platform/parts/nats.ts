/** NATS as the first part of the platform, with the streams that the others use. */
import { setTimeout as delay } from 'node:timers/promises'
import { BusError, connectBus, ensureStreams } from '../../bus/index.ts'
import type { DockerService } from '../../docker/index.ts'
import { ensureCredentials, type NatsPart } from '../../services/nats/index.ts'
import { startListening, type Launch } from '../launch.ts'
import { obtainNats } from '../nats-choice.ts'
import type { ServiceContext } from './services.ts'

const BUS_TIMEOUT_MS = 10_000
const ASK_AGAIN_MS = 200

export interface StartedNats {
  access: ServiceContext['nats']
  part: NatsPart
}

export async function startNats(launch: Launch, docker: DockerService): Promise<StartedNats> {
  const { home, options, environment, report } = launch
  const { folder, state } = home
  const port = () => state.current.ports['nats'] ?? options.natsPort
  const part = await obtainNats({ home: folder, options, environment, docker, port, report: report.doing })
  const taken = await startListening(launch, part)
  const nats = { url: `nats://127.0.0.1:${taken}`, ...(await ensureCredentials(folder)) }
  const deadline = performance.now() + BUS_TIMEOUT_MS
  const bus = await connectBus({ ...nats, name: 'agent' }, AbortSignal.timeout(BUS_TIMEOUT_MS))
  const limits = { idempotencyWindowMs: options.idempotencyWindowMs, statesMaxAgeMs: options.callRetentionMs }
  try {
    for (;;) {
      try {
        await ensureStreams(bus, limits)
        return { access: nats, part }
      } catch (error) {
        // A server that is still loading its data responds late, or says that it is not ready.
        const isUnready = error instanceof BusError && error.code === 'UNAVAILABLE'
        if (!isUnready || performance.now() > deadline) throw error
        await delay(ASK_AGAIN_MS)
      }
    }
  } finally {
    await bus.close()
  }
}
