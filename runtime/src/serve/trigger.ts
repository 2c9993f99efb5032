/** Runs event handlers: `POST /.ryo-faas/events/<key>` with one CloudEvent, answered with 204 when it is done. */
import type { IncomingMessage } from 'node:http'
import type { DocumentEvent } from '../handlers.ts'
import type { CloudEvent, DocumentCloudEvent } from '../protocol/index.ts'
import type { EventHandler } from './handler-set.ts'
import type { Invocation } from './invocation.ts'

export async function runTrigger(target: EventHandler, invocation: Invocation): Promise<void> {
  const event = parsed(await bodyOf(invocation.request))
  if (event === undefined) return invocation.refuse('BAD_REQUEST', 'This is not an event.')
  const isOfDocument = isDocumentEvent(event)
  if (!isOfDocument) invocation.span.setAttributes({ 'faas.trigger': 'pubsub' })
  const { context } = invocation
  if (target.takesCloudEvent === true) await target.handler(isOfDocument ? withDocument(event) : whole(event), context)
  // Without types, a handler of both gets each as it is known.
  else await target.handler(isOfDocument ? documentEvent(event) : (whole(event) as never), context)
  const { response } = invocation
  if (!response.headersSent) response.writeHead(204).end()
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

/** Prefix of the types of document events. */
const DOCUMENT_TYPES = 'ryo-faas.store.'

/** Undefined if it is not an event. The platform writes them: not all is validated. */
function parsed(text: string): CloudEvent | undefined {
  let event: CloudEvent
  try {
    event = JSON.parse(text) as CloudEvent
  } catch {
    return undefined
  }
  return isDocumentEvent(event) || isOther(event) ? event : undefined
}

function isOther(event: CloudEvent | undefined): boolean {
  return event?.specversion === '1.0' && typeof event.type === 'string' && !event.type.startsWith(DOCUMENT_TYPES)
}

function isDocumentEvent(event: CloudEvent): event is CloudEvent & DocumentCloudEvent {
  if (isOther(event)) return false
  const { kind, table, id, version } = (event as { data?: Partial<DocumentCloudEvent['data']> })?.data ?? {}
  return kind !== undefined && table !== undefined && id !== undefined && version !== undefined
}

/** Binary data as bytes. */
function whole({ data_base64: binary, ...event }: CloudEvent): CloudEvent {
  return typeof binary === 'string' ? { ...event, data: new Uint8Array(Buffer.from(binary, 'base64')) } : event
}

function withDocument(event: CloudEvent & DocumentCloudEvent): CloudEvent<DocumentEvent> {
  return { ...event, data: documentEvent(event) }
}

function documentEvent({ time, sequence, data }: DocumentCloudEvent): DocumentEvent {
  const { kind, table, id, version, before, after } = data
  return {
    kind,
    table,
    id,
    version,
    ...(before && { before: before.data }),
    ...(after && { after: after.data }),
    time,
    sequence: Number(sequence),
  }
}
