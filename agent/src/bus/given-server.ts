/** What is read from a server that is not ours: its subjects, and consumers of its streams. */
import { AckPolicy, DeliverPolicy, nanos, type ConsumerInfo } from 'nats'
import { ask, linkOf, type Bus } from './bus.ts'
import { BusError, isApiError, JETSTREAM_ERRORS } from './bus-error.ts'
import { headersIn } from './delivery.ts'

export interface CoreMessage {
  subject: string
  data: Uint8Array
  headers(): [name: string, value: string][]
}

/**
 * Messages are missed while the connection is down.
 * @returns a function that ends it
 */
export function subscribeCore(
  bus: Bus,
  { subject, queue }: { subject: string; queue?: string | undefined },
  onMessage: (message: CoreMessage) => void,
): () => void {
  const subscription = linkOf(bus).connection.subscribe(subject, {
    ...(queue !== undefined && { queue }),
    callback: (error, message) => {
      if (error !== null) return
      const { subject: own, data, headers } = message
      onMessage({ subject: own, data, headers: () => headersIn(headers) })
    },
  })
  return () => subscription.unsubscribe()
}

/** @throws BusError REFUSED if there is none */
export async function streamOfSubject(bus: Bus, subject: string): Promise<string> {
  const streams = await ask(bus, async manager => {
    const names = manager.streams.names(subject)
    return names.next()
  })
  const [name] = streams
  if (name !== undefined) return name
  throw new BusError('REFUSED', `no stream of the server has messages on ${subject}`)
}

/**
 * A durable consumer of the server's owner, made if it is not there.
 * @throws BusError REFUSED if one is there that cannot be used
 */
export async function givenConsumer(
  bus: Bus,
  stream: string,
  { name, subject, startTime }: { name: string; subject: string; startTime: string | undefined },
): Promise<{ ackWaitMs: number }> {
  const found = await consumerInfo(bus, stream, name)
  const { config } =
    found ??
    (await ask(bus, manager =>
      manager.consumers.add(stream, {
        durable_name: name,
        filter_subject: subject,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ACK_WAIT_MS),
        max_deliver: -1,
        ...(startTime === undefined
          ? { deliver_policy: DeliverPolicy.All }
          : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: startTime }),
      }),
    ))
  if (config.deliver_subject !== undefined) throw new BusError('REFUSED', `the consumer ${name} pushes its messages`)
  if (config.ack_policy !== AckPolicy.Explicit) {
    throw new BusError('REFUSED', `the consumer ${name} does not have each message acknowledged (ack explicit)`)
  }
  return { ackWaitMs: (config.ack_wait ?? nanos(ACK_WAIT_MS)) / 1e6 }
}

const ACK_WAIT_MS = 10_000

function consumerInfo(bus: Bus, stream: string, name: string): Promise<ConsumerInfo | undefined> {
  return ask(bus, async manager => {
    try {
      return await manager.consumers.info(stream, name)
    } catch (error) {
      if (isApiError(error, JETSTREAM_ERRORS.consumerNotFound)) return undefined
      throw error
    }
  })
}
