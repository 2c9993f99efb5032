/** Sends documents as the texts they are stored as. Handlers that have already sent a response return nothing. */
import type { FastifyReply } from 'fastify'
import { documentPath, etagOf, type Written } from '@ryo-faas/runtime/documents'

const JSON_TYPE = 'application/json; charset=utf-8'

export function sendJsonText(reply: FastifyReply, text: string): void {
  void reply.header('content-type', JSON_TYPE).send(text)
}

export function sendWritten(reply: FastifyReply, table: string, { change, id, version, document }: Written): void {
  void reply.header('content-type', JSON_TYPE).header('etag', etagOf(version))
  if (change === 'new-doc') void reply.code(201).header('location', documentPath(table, id))
  void reply.send(document)
}
