/** Agents on a bus of a test, and what can go wrong between them. */
import { onTestFinished } from 'vitest'
import { AGENT_STREAMS, BusError, purge, type Bus } from '../bus/index.ts'
import type { TestNats } from '../bus/testing/nats-server.ts'

/** Nobody leads, and nothing is shared. */
export async function emptied(bus: Bus): Promise<void> {
  await purge(bus, AGENT_STREAMS.agents, { subject: '>' })
  await purge(bus, AGENT_STREAMS.versions, { subject: '>' })
}

/** A connection of its own. */
export async function connected(nats: TestNats): Promise<Bus> {
  const bus = await nats.connect()
  onTestFinished(() => bus.close())
  return bus
}

/** What happens to the next publications of a connection; then it works again. */
export function breakNext(bus: Bus, faults: ('lost' | 'unacknowledged')[]): void {
  const publish = bus.publish.bind(bus)
  bus.publish = async (...given) => {
    const fault = faults.shift()
    if (fault === undefined) return publish(...given)
    if (fault === 'unacknowledged') await publish(...given).catch(() => undefined)
    throw new BusError('UNAVAILABLE', 'a test broke the connection')
  }
}
