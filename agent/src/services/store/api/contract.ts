/** The routes as data, for the OpenAPI document at `/openapi.json`. Requests are checked by `requests.ts` and its callers. */
import { CLOUD_EVENT_TYPE, DOCUMENT_EVENT_KINDS } from '@ryo-faas/runtime/protocol'
import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import { STORE_ERRORS, type StoreErrorCode } from '@ryo-faas/runtime/documents'

/** Any JSON value. */
const json = z.unknown()
const codes = Object.keys(STORE_ERRORS) as [StoreErrorCode, ...StoreErrorCode[]]

export const ErrorAnswer = z.object({
  error: z.looseObject({ code: z.enum(codes), message: z.string() }),
})

export const DocumentAnswer = z.object({
  id: z.string(),
  table: z.string(),
  version: z.int().min(1).describe('Grows by one with each write; the ETag is this in quotes'),
  createdAt: z.iso.datetime(),
  editedAt: z.iso.datetime(),
  data: json,
})

/** `DocumentCloudEvent` */
const EventAnswer = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.string().describe('ryo-faas.store.<kind>'),
  subject: z.string().describe('<table>/<id>, each percent-encoded'),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  sequence: z.string().describe('Decimal; counts from 1 over all tables, without gaps'),
  eventdepth: z.int().min(0).describe('How many document events led to this write'),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  baggage: z.string().optional(),
  data: z.object({
    kind: z.enum(DOCUMENT_EVENT_KINDS),
    table: z.string(),
    id: z.string(),
    version: z.int().min(1),
    before: DocumentAnswer.optional(),
    after: DocumentAnswer.optional(),
  }),
})

const IndexAnswer = z.object({
  field: z.string(),
  state: z.enum(['building', 'ready']),
  documents: z.int().describe('How many are in it'),
})

const TableAnswer = z.object({ table: z.string(), documents: z.int(), indexes: z.array(IndexAnswer) })

const Operation = z.object({
  op: z.enum(['create', 'put', 'patch', 'delete']),
  table: z.string(),
  id: z.string().optional().describe('Optional only for create'),
  data: json.optional().describe('create, put'),
  patch: json.optional().describe('patch: JSON merge patch, RFC 7386'),
  ifMatch: z
    .union([z.int().min(0), z.literal('*')])
    .optional()
    .describe('The version it must have; "*": any; 0: it must not exist'),
})

const name = z.string().describe('1 to 512 bytes of Unicode, percent-encoded')
const table = z.object({ table: name })
const document = z.object({ table: name, id: name })
const ifMatch = z.object({ 'if-match': z.string().optional().describe('"3", or *') })
const since = z.object({ since: z.string().optional().describe('Sequence after which to begin; default: now') })
const errors = { default: ErrorAnswer }
const eventStream = {
  description: 'The id of each event is its sequence, its data the event as JSON (CloudEvents 1.0)',
  content: { 'text/event-stream': { schema: EventAnswer } },
}

export const SCHEMAS = {
  create: {
    operationId: 'createDocument',
    summary: 'Create a document',
    params: table,
    body: z.object({ data: json, id: z.string().optional() }),
    response: { 201: DocumentAnswer, ...errors },
  },
  get: {
    operationId: 'getDocument',
    summary: 'Read a document',
    params: document,
    headers: z.object({ 'if-none-match': z.string().optional() }),
    response: { 200: DocumentAnswer, 304: z.null(), ...errors },
  },
  put: {
    operationId: 'putDocument',
    summary: 'Create or replace a document',
    params: document,
    headers: ifMatch.extend({ 'if-none-match': z.literal('*').optional() }),
    body: z.object({ data: json }),
    response: { 200: DocumentAnswer, 201: DocumentAnswer, ...errors },
  },
  patch: {
    operationId: 'patchDocument',
    summary: 'Merge into the data of a document (RFC 7386)',
    params: document,
    headers: ifMatch,
    body: json,
    response: { 200: DocumentAnswer, ...errors },
  },
  delete: {
    operationId: 'deleteDocument',
    summary: 'Delete a document',
    params: document,
    headers: ifMatch,
    response: { 204: z.null(), ...errors },
  },
  query: {
    operationId: 'findDocuments',
    summary: 'Find documents',
    params: table,
    querystring: z.object({
      where: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe('{"city":"Kiel","amount":{">=":10}} or: city = Kiel and amount >= 10'),
      orderBy: z.string().optional().describe('A field; prefix "-" for descending'),
      limit: z.string().optional().describe('1 to 1000; default 100'),
      cursor: z.string().optional().describe('From the previous page'),
    }),
    response: { 200: z.object({ documents: z.array(DocumentAnswer), cursor: z.string().optional() }), ...errors },
  },
  batch: {
    operationId: 'writeBatch',
    summary: 'Several writes, all or none',
    body: z.object({ operations: z.array(Operation).min(1).max(1_000) }),
    response: {
      200: z.object({
        results: z.array(
          z.union([DocumentAnswer, z.object({ id: z.string(), version: z.int(), deleted: z.literal(true) })]),
        ),
      }),
      ...errors,
    },
  },
  tables: {
    operationId: 'listTables',
    summary: 'All tables',
    response: { 200: z.object({ tables: z.array(TableAnswer) }), ...errors },
  },
  table: { operationId: 'showTable', summary: 'One table', params: table, response: { 200: TableAnswer, ...errors } },
  dropTable: {
    operationId: 'dropTable',
    summary: 'Remove a table and its documents, without events',
    params: table,
    response: { 204: z.null(), ...errors },
  },
  indexes: {
    operationId: 'listIndexes',
    summary: 'Indexes of a table',
    params: table,
    response: { 200: z.object({ indexes: z.array(IndexAnswer) }), ...errors },
  },
  declareIndex: {
    operationId: 'declareIndex',
    summary: 'Declare an index; it is built while writes go on',
    params: z.object({ table: name, field: name }),
    response: { 200: IndexAnswer, 202: IndexAnswer, ...errors },
  },
  dropIndex: {
    operationId: 'dropIndex',
    summary: 'Drop an index',
    params: z.object({ table: name, field: name }),
    response: { 204: z.null(), ...errors },
  },
  changes: {
    operationId: 'watchChanges',
    summary: 'All events as server-sent events',
    querystring: since,
    response: { 200: eventStream, ...errors },
  },
  tableChanges: {
    operationId: 'watchTableChanges',
    summary: 'Events of a table as server-sent events',
    params: table,
    querystring: since,
    response: { 200: eventStream, ...errors },
  },
  event: {
    operationId: 'getEvent',
    summary: 'One event (CloudEvents 1.0)',
    params: z.object({ sequence: z.string() }),
    response: {
      200: { description: 'The event', content: { [CLOUD_EVENT_TYPE]: { schema: EventAnswer } } },
      404: ErrorAnswer.describe('EVENT_NOT_FOUND: the log has no such event, or no longer'),
      ...errors,
    },
  },
  log: {
    operationId: 'showLog',
    summary: 'First and last sequence of the log',
    response: { 200: z.object({ first: z.int(), last: z.int() }), ...errors },
  },
  exportTable: {
    operationId: 'exportTable',
    summary: 'A consistent snapshot of all documents, as JSON lines',
    params: table,
    querystring: z.object({
      plain: z
        .string()
        .optional()
        .describe('true: the data alone, as a JSON array of objects with ids, or as an object of id → data'),
    }),
    response: {
      200: {
        description: 'A document on each line; with `plain` one JSON file',
        content: { 'application/x-ndjson': { schema: DocumentAnswer }, 'application/json': { schema: json } },
      },
      ...errors,
    },
  },
  importTable: {
    operationId: 'importTable',
    summary: 'Import documents: JSON lines, a JSON array, or an object of id → data',
    params: table,
    querystring: z.object({
      events: z.string().optional().describe('true: emit events; default: none'),
      plain: z.string().optional().describe('true: each entry is the data itself'),
    }),
    response: {
      200: z.object({ imported: z.int(), created: z.int(), replaced: z.int() }),
      ...errors,
    },
  },
  backup: {
    operationId: 'backUp',
    summary: 'Write a consistent copy of everything, while the store works',
    querystring: z.object({
      temporary: z.stringbool().default(false).describe('Whoever asks moves it away; it is not listed as a backup'),
      newLog: z
        .stringbool()
        .default(false)
        .describe('Its events are not to be taken for those that were relayed since, to a NATS that is not part of it'),
    }),
    response: {
      201: z.object({ path: z.string(), bytes: z.int(), sequence: z.int().describe('Of the last event in it') }),
      ...errors,
    },
  },
} as const satisfies Record<string, FastifySchema & { operationId: string; summary: string }>
