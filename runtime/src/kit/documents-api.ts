/** The store's HTTP interface as far as functions use it; `documents-api.test.ts` in the agent compares the two. */
import {
  batchText,
  checkKeepable,
  checkName,
  dataOf,
  documentPath,
  etagOf,
  idOf,
  isKnown,
  type MemoryDocuments,
  objectBody,
  pageText,
  preconditionOf,
  readBatch,
  readQuery,
  singleParameters,
  StoreError,
  type WriteContext,
  type WriteOperation,
  writtenOf,
} from '../documents/index.ts'
import { HEADERS } from '../protocol/index.ts'

const PATH = /^\/tables\/([^/]*)\/docs(?:\/([^/]*))?$/
const JSON_TYPE = /^application\/(merge-patch\+)?json\b/

export async function answerDocuments(documents: MemoryDocuments, request: Request): Promise<Response> {
  try {
    return await answer(documents, request)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return jsonResponse(JSON.stringify(error.toBody()), { status: error.status })
  }
}

async function answer(documents: MemoryDocuments, request: Request): Promise<Response> {
  const { method } = request
  const url = new URL(request.url)
  const context = contextOf(request.headers)
  if (method === 'POST' && url.pathname === '/batch') {
    return jsonResponse(batchText(await documents.write(readBatch(await bodyOf(request)), context)))
  }
  const [, table, id] = PATH.exec(url.pathname) ?? []
  if (table === undefined) throw noRoute(method, url)
  const place = { table: checkName('table', decodeURIComponent(table)), id: decodeURIComponent(id ?? '') }
  if (method === 'GET') return id === undefined ? find(documents, place.table, url) : read(documents, place, request)
  const operation = await operationOf(request, { ...place, id: id === undefined ? undefined : place.id }, url)
  const [written] = writtenOf(await documents.write([operation], context))
  const { change, version, document } = written!
  if (change === 'deleted-doc') return new Response(null, { status: 204 })
  const headers = { etag: etagOf(version) }
  if (change !== 'new-doc') return jsonResponse(document, { headers })
  return jsonResponse(document, { status: 201, headers: { ...headers, location: documentPath(table, written!.id) } })
}

async function find(documents: MemoryDocuments, table: string, url: URL): Promise<Response> {
  const parameters: Record<string, string | string[]> = {}
  for (const name of new Set(url.searchParams.keys())) {
    const [first, ...more] = url.searchParams.getAll(name)
    parameters[name] = more.length === 0 ? first! : [first!, ...more]
  }
  return jsonResponse(pageText(await documents.query(readQuery(table, parameters))))
}

async function read(
  documents: MemoryDocuments,
  { table, id }: { table: string; id: string },
  request: Request,
): Promise<Response> {
  checkName('id', id)
  const found = await documents.get(table, id)
  if (found === undefined) {
    const message = `table ${JSON.stringify(table)} has no document ${JSON.stringify(id)}`
    throw new StoreError('DOCUMENT_NOT_FOUND', message)
  }
  const headers = { etag: etagOf(found.version) }
  if (isKnown(conditionsOf(request), found.version)) return new Response(null, { status: 304, headers })
  return jsonResponse(found.text, { headers })
}

async function operationOf(
  request: Request,
  { table, id }: { table: string; id: string | undefined },
  url: URL,
): Promise<WriteOperation> {
  const { method } = request
  if (id === undefined) {
    if (method !== 'POST') throw noRoute(method, url)
    const body = objectBody(await bodyOf(request), ['data', 'id'])
    const given = idOf(body)
    return { kind: 'create', table, data: dataOf(body), ...(given !== undefined && { id: given }) }
  }
  const place = { table, id: checkName('id', id) }
  const conditioned = () => {
    const condition = preconditionOf(conditionsOf(request))
    return { ...place, ...(condition !== undefined && { condition }) }
  }
  switch (method) {
    case 'PUT': {
      const data = dataOf(objectBody(await bodyOf(request), ['data']))
      return { kind: 'put', ...conditioned(), data }
    }
    case 'PATCH': {
      const patch = await bodyOf(request)
      if (patch === undefined) throw new StoreError('INVALID_REQUEST', 'the body must be a JSON merge patch')
      return { kind: 'patch', ...conditioned(), patch: JSON.stringify(patch) }
    }
    case 'DELETE':
      singleParameters(Object.fromEntries(url.searchParams), [])
      return { kind: 'delete', ...conditioned() }
    default:
      throw noRoute(method, url)
  }
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text()
  if (text === '') return undefined
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) {
    throw new StoreError('UNSUPPORTED_MEDIA_TYPE', 'the content type must be application/json')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new StoreError('INVALID_JSON', (cause as Error).message, { cause })
  }
  checkKeepable(value)
  return value
}

function conditionsOf({ headers }: Request): Parameters<typeof preconditionOf>[0] {
  return {
    'if-match': headers.get('if-match') ?? undefined,
    'if-none-match': headers.get('if-none-match') ?? undefined,
  }
}

/** Where a write comes from, for its event. */
function contextOf(headers: Headers): WriteContext {
  const context: WriteContext = { depth: Number(headers.get(HEADERS.eventDepth) ?? 0) }
  for (const name of ['traceparent', 'tracestate', 'baggage'] as const) {
    const value = headers.get(name)
    if (value !== null) context[name] = value
  }
  return context
}

function noRoute(method: string, { pathname }: URL): StoreError {
  return new StoreError('ROUTE_NOT_FOUND', `${method} ${pathname} is not a route of the store`)
}

function jsonResponse(
  text: string,
  { headers, ...init }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(text, { ...init, headers: { 'content-type': 'application/json; charset=utf-8', ...headers } })
}
