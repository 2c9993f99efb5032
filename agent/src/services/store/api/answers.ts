/** How documents are answered: as the texts that they are kept as. */
import type { FastifyReply } from 'fastify'
import type { WriteOutcome, Written } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'
import { etagOf } from './preconditions.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export function sendJsonText(reply: FastifyReply, text: string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).send(text)
}

export function sendWritten(
  reply: FastifyReply,
  table: string,
  { change, id, version, document }: Written,
): FastifyReply {
  reply.header('content-type', JSON_TYPE).header('etag', etagOf(version))
  if (change === 'new-doc') reply.code(201).header('location', documentPath(table, id))
  return reply.send(document)
}

export function documentPath(table: string, id: string): string {
  return `/tables/${encodeURIComponent(table)}/docs/${encodeURIComponent(id)}`
}

/** @throws StoreError if the store refused */
export function writtenOf(outcome: WriteOutcome): Written[] {
  if (outcome.kind === 'written') return outcome.written
  const { code, message, version } = outcome
  throw new StoreError(code, message, { details: version === undefined ? {} : { version } })
}
