/** Sends documents as the texts they are stored as. Handlers that have already sent a response return nothing. */
import type { FastifyReply } from 'fastify'
import { encodedName, type WriteOutcome, type Written } from '../documents/index.ts'
import { StoreError } from '../store-error.ts'
import { etagOf } from './preconditions.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export function sendJsonText(reply: FastifyReply, text: string): void {
  void reply.header('content-type', JSON_TYPE).send(text)
}

export function sendWritten(reply: FastifyReply, table: string, { change, id, version, document }: Written): void {
  void reply.header('content-type', JSON_TYPE).header('etag', etagOf(version))
  if (change === 'new-doc') void reply.code(201).header('location', documentPath(table, id))
  void reply.send(document)
}

export function documentPath(table: string, id: string): string {
  return `/tables/${encodedName(table)}/docs/${encodedName(id)}`
}

/** @throws StoreError if the store refused */
export function writtenOf(outcome: WriteOutcome): Written[] {
  if (outcome.kind === 'written') return outcome.written
  const { code, message, version } = outcome
  throw new StoreError(code, message, { details: version === undefined ? {} : { version } })
}
