/** Runs trigger handlers: `POST /.ryo-faas/events/<key>` with one CloudEvent, answered with 204 when it is done. */
import type { IncomingMessage } from 'node:http'
import type { DocumentEvent, TriggerHandler } from '../handlers.ts'
import type { DocumentCloudEvent } from '../protocol/index.ts'
import type { Invocation } from './invocation.ts'

export async function runTrigger(handler: TriggerHandler, invocation: Invocation): Promise<void> {
  const event = documentEvent(await bodyOf(invocation.request))
  if (event === undefined) return invocation.refuse('BAD_REQUEST', 'This is not a document event.')
  await handler(event, invocation.context)
  const { response } = invocation
  if (!response.headersSent) response.writeHead(204).end()
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

/** Undefined for anything else. The platform writes them, so the shape is not looked at in depth. */
function documentEvent(text: string): DocumentEvent | undefined {
  let event: DocumentCloudEvent
  try {
    event = JSON.parse(text) as DocumentCloudEvent
  } catch {
    return undefined
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
