/** Runs trigger handlers: `POST /.ryo-faas/events/<key>` with one CloudEvent, answered with 204 when it is done. */
import type { IncomingMessage } from 'node:http'
import type { DocumentEvent, TriggerHandler } from '../handlers.ts'
import type { DocumentCloudEvent } from '../protocol/index.ts'
import type { Invocation } from './invocation.ts'

export async function runTrigger(handler: TriggerHandler, invocation: Invocation): Promise<void> {
  const event = eventOf(await bodyOf(invocation.request))
  if (event === undefined) return invocation.refuse('BAD_REQUEST', 'This is not an event.')
  await handler(event, invocation.context)
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

/**
 * What the handler gets: a document event in its short form, any other unchanged, so that a function need not be
 * rebuilt for a new kind of trigger. Undefined if it is not an event. The platform writes them: not all is validated.
 */
function eventOf(text: string): DocumentEvent | undefined {
  let event: DocumentCloudEvent
  try {
    event = JSON.parse(text) as DocumentCloudEvent
  } catch {
    return undefined
  }
  if (event?.specversion === '1.0' && typeof event.type === 'string' && !event.type.startsWith(DOCUMENT_TYPES)) {
    return event as unknown as DocumentEvent
  }
  const { kind, table, id, version, before, after } = event?.data ?? {}
  if (kind === undefined || table === undefined || id === undefined || version === undefined) return undefined
  return {
    kind,
    table,
    id,
    version,
    ...(before && { before: before.data }),
    ...(after && { after: after.data }),
    time: event.time,
    sequence: Number(event.sequence),
  }
}
