/** Agents on a bus of a test, and what can go wrong between them. */
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'
import { AGENT_STREAMS, BusError, ensureAgentStreams, purge, type Bus } from '../bus/index.ts'
import { startNats, type TestNats } from '../bus/testing/nats-server.ts'

/** A server for the tests of a file, with a connection to it. Before each, nobody leads and nothing is shared. */
export function onAgentsBus(use: (made: { nats: TestNats; bus: Bus }) => void): void {
  let made: { nats: TestNats; bus: Bus }
  beforeAll(async () => {
    const nats = await startNats()
    made = { nats, bus: await nats.connect() }
    await ensureAgentStreams(made.bus)
    use(made)
  })
  afterAll(() => made.nats.stop())
  beforeEach(() => emptied(made.bus))
}

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
