/** Consumers at the server. */
import { AckPolicy, nanos } from 'nats'
import { ask, type Bus } from './bus.ts'

/** Creates or finds a consumer. @returns its name. @throws BusError */
export type EnsureConsumer = (bus: Bus) => Promise<string>

/** A durable consumer whose messages any number of pullers share. */
export function durableConsumer(
  stream: string,
  { name, filter, ackWaitMs }: { name: string; filter: string; ackWaitMs: number },
): EnsureConsumer {
  return async bus => {
    await ask(bus, (manager, names) =>
      manager.consumers.add(names.stream(stream), {
        durable_name: name,
        filter_subject: names.subject(filter),
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ackWaitMs),
        max_deliver: -1,
        // A message that waits for its retry counts as pending and must not block the rest.
        max_ack_pending: -1,
      }),
    )
    return name
  }
}

/** Messages of a consumer that are not acknowledged. */
export interface Backlog {
  /** Never delivered. */
  waiting: number
  /** Delivered: being worked on, or to be delivered again. */
  delivered: number
}

/** @throws BusError */
export async function backlogOf(bus: Bus, stream: string, consumer: string): Promise<Backlog> {
  const info = await ask(bus, (manager, names) => manager.consumers.info(names.stream(stream), consumer))
  return { waiting: info.num_pending, delivered: info.num_ack_pending }
}
