/** The three OpenAPI documents, as the parts serve them, made without a platform. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApi } from '../../agent/src/api/server.ts'
import { callsDocument } from '../../agent/src/services/proxy/calls-api/calls-document.ts'
import { createStore } from '../../agent/src/services/store/store.ts'
import { pino } from 'pino'

export interface Schema {
  $ref?: string
  type?: string
  title?: string
  description?: string
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  nullable?: boolean
  items?: Schema | Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  description?: string
  schema: Schema
}

export type Content = Record<string, { schema?: Schema }>

export interface Operation {
  operationId?: string
  summary?: string
  description?: string
  security?: object[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { description?: string; content?: Content }>
}

export interface OpenApi {
  info: { title: string; version: string }
  security?: object[]
  paths: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Schema> }
}

export async function agentDocument(version: string): Promise<OpenApi> {
  const api = await createApi({
    token: 'none',
    version,
    platform: {} as Parameters<typeof createApi>[0]['platform'],
    dashboard: '/',
    audit: {} as Parameters<typeof createApi>[0]['audit'],
    logger: pino({ enabled: false }),
  })
  await api.ready()
  const document = (api as unknown as { swagger(): OpenApi }).swagger()
  await api.close()
  return document
}

export function callsApiDocument(): OpenApi {
  return callsDocument() as OpenApi
}

/** The store says it only itself: one is opened in an empty folder. */
export async function storeApiDocument(): Promise<OpenApi> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'ryo-faas-docs-'))
  const access = { operator: randomUUID(), part: randomUUID(), functions: randomUUID() }
  const store = await createStore({ dataFolder, access, port: 0 }, { onEvent: () => {} })
  try {
    const headers = { authorization: `Bearer ${access.operator}` }
    return (await (await fetch(`http://127.0.0.1:${store.port}/openapi.json`, { headers })).json()) as OpenApi
  } finally {
    await store.close()
    await rm(dataFolder, { recursive: true })
  }
}
