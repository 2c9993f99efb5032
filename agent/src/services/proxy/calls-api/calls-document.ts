/**
 * The calls API, and the way of events in, as an OpenAPI document, made of the schemas by which it reads requests and its clients read answers.
 * It is written here rather than at the routes: schemas there would load a validator with every start of the proxy
 * (`NO_COMPILERS`). A test keeps the two in sync.
 */
import {
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  EVENTS_PATH,
  NAME_PATTERN,
  PLATFORM_ERRORS,
  routeOf,
  type PlatformErrorCode,
} from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { isCursor } from '../../../calls/index.ts'
import { CallPage, CallStatus, CallView } from '../../../contract/index.ts'

const FunctionName = z
  .string()
  .regex(NAME_PATTERN, 'must be the name of a function')
  .transform(routeOf)
  .describe('Name of a function')

export const ListQuery = z.object({
  function: FunctionName.optional(),
  status: CallStatus.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().refine(isCursor, 'must be the cursor of an earlier page').optional(),
})

export const FunctionQuery = z.object({ function: FunctionName.optional() })

const codes = Object.keys(PLATFORM_ERRORS) as [PlatformErrorCode, ...PlatformErrorCode[]]

const attribute = () => z.string().min(1)

/** What every event has; it may have more attributes, which are strings, numbers or booleans. */
const CloudEvent = z.looseObject({
  specversion: z.literal('1.0'),
  id: attribute(),
  source: attribute(),
  type: attribute(),
  subject: attribute().optional(),
  time: z.iso.datetime({ offset: true }).optional(),
  datacontenttype: attribute().optional(),
  dataschema: attribute().optional(),
  data: z.unknown().optional(),
  data_base64: z.string().optional().describe('Binary data, instead of data'),
})

/** Schemas referred to by name. */
const COMPONENTS = {
  CallView,
  CallPage,
  CallEvent: z.object({ id: z.string(), function: z.string(), status: CallStatus }),
  Redriven: z.object({ redriven: z.int().min(0) }),
  CloudEvent,
  CloudEvents: z.array(CloudEvent),
  Accepted: z.object({
    accepted: z.int().min(0),
    duplicates: z.int().min(0).describe('They came before, with the same source and id'),
  }),
  Error: z.object({ error: z.object({ code: z.enum(codes), message: z.string(), requestId: z.string() }) }),
}
type Component = keyof typeof COMPONENTS
type Content = Record<string, { schema: object }>

const TARGET = 'openapi-3.0'
const EVENT_STREAM = 'text/event-stream'

interface Operation {
  id: string
  summary: string
  description?: string
  query?: z.ZodObject
  /** It needs the token of the platform. Others need only the id of the call. */
  isOperators?: true
  /** Whether it needs a token or a key depends on where the proxy listens. */
  isGuardedOutside?: true
  body?: Content
  answers: Partial<Record<number | 'default', object>>
  errors: readonly PlatformErrorCode[]
}

const OPERATIONS: Record<string, Record<string, Operation>> = {
  '/calls': {
    get: {
      id: 'listCalls',
      summary: 'Calls, newest first',
      query: ListQuery,
      isOperators: true,
      answers: { 200: json('CallPage', 'A page; with a cursor if there are more') },
      errors: ['BAD_REQUEST'],
    },
  },
  '/calls/events': {
    get: {
      id: 'watchCalls',
      summary: 'Every change of every call, as server-sent events',
      query: FunctionQuery,
      isOperators: true,
      answers: { 200: events('CallEvent') },
      errors: ['BAD_REQUEST', 'TOO_MANY_STREAMS'],
    },
  },
  '/calls/redrive': {
    post: {
      id: 'redriveDeadCalls',
      summary: 'Retry all dead calls',
      query: FunctionQuery,
      isOperators: true,
      answers: { 202: json('Redriven', 'How many were queued again') },
      errors: ['BAD_REQUEST'],
    },
  },
  '/calls/{id}': {
    get: {
      id: 'showCall',
      summary: 'One call',
      answers: { 200: json('CallView', 'The call') },
      errors: ['CALL_NOT_FOUND'],
    },
    delete: {
      id: 'cancelCall',
      summary: 'Cancel a call',
      isOperators: true,
      answers: { 200: json('CallView', 'The call, cancelled') },
      errors: ['CALL_NOT_FOUND', 'CALL_FINAL'],
    },
  },
  '/calls/{id}/result': {
    get: {
      id: 'getResult',
      summary: 'The response of the function',
      answers: { default: anything() },
      errors: ['CALL_NOT_FOUND', 'RESULT_TOO_LARGE'],
    },
  },
  '/calls/{id}/redrive': {
    post: {
      id: 'redriveCall',
      summary: 'Retry a dead call',
      isOperators: true,
      answers: { 202: json('CallView', 'The call, queued') },
      errors: ['CALL_NOT_FOUND', 'CALL_FINAL'],
    },
  },
  '/calls/{id}/events': {
    get: {
      id: 'watchCall',
      summary: 'The call now and after each change, as server-sent events, until it is final',
      answers: { 200: events('CallView') },
      errors: ['CALL_NOT_FOUND', 'TOO_MANY_STREAMS'],
    },
  },
  [EVENTS_PATH]: {
    post: {
      id: 'sendEvents',
      summary: 'Send events to triggers',
      description:
        'One event or a batch. With any other type the body is the data of one event (binary mode), and its attributes are headers: `ce-id`, `ce-source`, `ce-type`, `ce-specversion`. On loopback every program of the machine may send events; beyond it functions, the operator, and keys for events.',
      isGuardedOutside: true,
      body: { [CLOUD_EVENT_TYPE]: shapeOf('CloudEvent'), [CLOUD_EVENT_BATCH_TYPE]: shapeOf('CloudEvents') },
      answers: { 202: json('Accepted', 'All of them are stored') },
      errors: ['BAD_REQUEST', 'PAYLOAD_TOO_LARGE'],
    },
  },
}

let made: object | undefined

/** Created on first use. */
export function callsDocument(): object {
  return (made ??= {
    openapi: '3.0.3',
    info: { title: 'ryo-faas calls', version: '1' },
    components: {
      schemas: componentSchemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The token of the platform' } },
    },
    paths: Object.fromEntries(
      Object.entries(OPERATIONS).map(([path, methods]) => [
        path,
        Object.fromEntries(Object.entries(methods).map(([method, what]) => [method, operationObject(path, what)])),
      ]),
    ),
  })
}

function operationObject(path: string, operation: Operation): object {
  const { id, summary, description, query, body, answers, errors, isOperators, isGuardedOutside } = operation
  const needsToken = isOperators ?? isGuardedOutside ?? false
  const refusals: PlatformErrorCode[] = [...(needsToken ? (['UNAUTHORIZED'] as const) : []), 'FORBIDDEN']
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    // An empty requirement: also without.
    security: [...(isGuardedOutside ? [{}] : []), ...(needsToken ? [{ token: [] }] : [])],
    ...(body !== undefined && { requestBody: { required: true, content: body } }),
    parameters: [
      ...(path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : []),
      ...(query === undefined ? [] : queryParameters(query)),
    ],
    responses: { ...answers, ...errorAnswers([...refusals, ...errors, 'ASYNC_UNAVAILABLE']) },
  }
}

function queryParameters(query: z.ZodObject): object[] {
  const { properties = {} } = z.toJSONSchema(query, { io: 'input', target: TARGET })
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: false, schema }))
}

function errorAnswers(expected: readonly PlatformErrorCode[]): Record<string, object> {
  return Object.fromEntries(expected.map(code => [String(PLATFORM_ERRORS[code]), json('Error', code)]))
}

function componentSchemas(): object {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(COMPONENTS)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { target: TARGET, uri: refOf })
  // OpenAPI 3.0 knows no `$id`.
  for (const schema of Object.values(schemas)) delete schema.$id
  return schemas
}

function json(component: Component, description: string): object {
  return { description, content: { 'application/json': shapeOf(component) } }
}

function shapeOf(component: Component): { schema: object } {
  return { schema: { $ref: refOf(component) } }
}

function events(component: Component): object {
  return {
    description: 'The data of each event is this, as JSON',
    content: { [EVENT_STREAM]: shapeOf(component) },
  }
}

function anything(): object {
  return {
    description: 'Status, headers and body of the function; errors of the platform carry X-Ryo-Faas-Error',
    content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
  }
}

function refOf(component: string): string {
  return `#/components/schemas/${component}`
}
