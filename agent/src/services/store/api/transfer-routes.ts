/** Whole tables in and out: as JSON lines, or as one plain JSON file. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { flag, singleParameters, StoreError, tableOf, type TableParams } from '@ryo-faas/runtime/documents'
import { checkName, type DocumentStore, type ImportOperation, type WriteContext } from '../documents/index.ts'
import type { StoreOptions } from '../options.ts'
import { SCHEMAS } from './contract.ts'
import { documentEntry, plainEntry } from './import-entries.ts'
import { exportPieces } from './export-pieces.ts'
import { Importer, type ImportCounts } from './importer.ts'
import { parseJson } from './json-body.ts'
import { readLines } from './json-lines.ts'
import { existing } from './tables-routes.ts'
import { contextOf } from './trace-context.ts'

const LINES = 'application/x-ndjson'
const JSON_FILE = 'application/json'

export function addTransferRoutes(
  app: FastifyInstance,
  { store, options }: { store: DocumentStore; options: StoreOptions },
): void {
  app.get<{ Params: TableParams }>(
    '/tables/:table/export',
    { schema: SCHEMAS.exportTable, config: { operation: 'export' } },
    async (request, reply) => {
      const { plain } = singleParameters(request.query, ['plain'])
      const { table } = await existing(store, tableOf(request.params))
      const isPlain = flag('plain', plain)
      const pieces = exportPieces(() => store.snapshot(table), isPlain)
      return reply
        .type(`${isPlain ? JSON_FILE : LINES}; charset=utf-8`)
        .send(Readable.from(pieces, { objectMode: false }))
    },
  )

  // In a scope of its own, where bodies are left to the handler: they may be larger than memory.
  void app.register(async scope => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser([LINES, 'application/jsonl', JSON_FILE], (_request, _payload, done) => done(null))
    scope.post<{ Params: TableParams }>(
      '/tables/:table/import',
      { schema: SCHEMAS.importTable, config: { operation: 'import' }, bodyLimit: Number.MAX_SAFE_INTEGER },
      async request => {
        const { events, plain } = singleParameters(request.query, ['events', 'plain'])
        const context: WriteContext = { ...contextOf(request), isMuted: !flag('events', events) }
        const work = { store, context, table: tableOf(request.params), isPlain: flag('plain', plain) }
        const isFile = request.headers['content-type']?.startsWith(JSON_FILE) ?? false
        return isFile ? importFile(request, work, options) : importLines(request, work, options)
      },
    )
  })
}

interface Work {
  store: DocumentStore
  context: WriteContext
  table: string
  isPlain: boolean
}

async function importLines(request: FastifyRequest, work: Work, options: StoreOptions): Promise<ImportCounts> {
  const importer = new Importer(work.store, work.context)
  let line = 1
  try {
    for await (const { number, text } of readLines(bodyOf(request), options.bodyLimitBytes)) {
      line = number
      await importer.add(entryOf(work, parseJson(text, number)))
    }
    return await importer.finish()
  } catch (error) {
    throw await importer.broken(error, { line })
  }
}

/** An array of entries, or an object of id → data. */
async function importFile(request: FastifyRequest, work: Work, options: StoreOptions): Promise<ImportCounts> {
  const content = JSON.parse(await checkedText(request, options.importLimitBytes)) as unknown
  if (typeof content !== 'object' || content === null) {
    throw new StoreError('INVALID_REQUEST', 'the file must be a list of entries, or an object of id → data')
  }
  const importer = new Importer(work.store, work.context)
  let entry = 0
  try {
    if (Array.isArray(content)) {
      for (entry = 0; entry < content.length; entry += 1) await importer.add(entryOf(work, content[entry]))
    } else {
      for (const [id, data] of Object.entries(content)) {
        await importer.add(plainEntry(work.table, data, checkName('id', id)))
        entry += 1
      }
    }
    return await importer.finish()
  } catch (error) {
    throw await importer.broken(error, { entry })
  }
}

/** @throws StoreError as `parseJson`; BODY_TOO_LARGE */
async function checkedText(request: FastifyRequest, mostBytes: number): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of bodyOf(request)) {
    bytes += piece.length
    if (bytes > mostBytes) throw new StoreError('BODY_TOO_LARGE', `the file is larger than ${mostBytes} bytes`)
    pieces.push(piece)
  }
  const text = Buffer.concat(pieces).toString('utf8')
  parseJson(text)
  return text
}

/** A handler that stops reading before its end still has to answer, on a connection that is there. */
async function* bodyOf({ raw }: FastifyRequest): AsyncGenerator<Buffer> {
  try {
    yield* raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  } finally {
    raw.resume()
  }
}

function entryOf({ table, isPlain }: Work, value: unknown): ImportOperation {
  return isPlain ? plainEntry(table, value) : documentEntry(table, value)
}
