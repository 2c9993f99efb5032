import type { Trigger } from './trigger.ts'

/** In a few words, for people. Apart from the schemas, which commands that must be quick do not load. */
export function triggerLabel(trigger: Trigger): string {
  switch (trigger.kind) {
    case 'event':
      return trigger.source === undefined ? trigger.type : `${trigger.type} of ${trigger.source}`
    case 'nats': {
      const { subject, server, durable } = trigger
      return `NATS ${subject} at ${server}${durable === undefined ? '' : `, durable ${durable}`}`
    }
    case 'document':
    case undefined:
      return `${trigger.table}: ${trigger.events.join(', ')}`
  }
}
