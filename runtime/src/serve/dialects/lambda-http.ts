/**
 * Requests as events of Lambda, and results as responses. Shapes:
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (version 2.0) and
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html (version 1.0).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FunctionContext } from '../../context.ts'
import { mediaTypeOf, splitUrl } from './body.ts'

export interface Received {
  readonly request: IncomingMessage
  readonly body: Buffer
  readonly context: FunctionContext
  /** Of the deployment. */
  readonly name: string
}

/** Bodies of these types are text; others are sent as base64, forms included. */
const TEXT = /^(?:text\/.*|application\/(?:json|xml|javascript|.*\+(?:json|xml)))$/

export function urlEvent({ request, body, context, name }: Received): object {
  const { path, query } = splitUrl(request.url)
  const { cookie, host } = request.headers
  const { params, requestId } = context
  const timeEpoch = Date.now()
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookie !== undefined && { cookies: cookie.split(/; */) }),
    headers: joinedHeaders(request),
    ...(query !== '' && { queryStringParameters: valuesOf(query, all => all.join(',')) }),
    ...(Object.keys(params).length > 0 && { pathParameters: params }),
    requestContext: {
      accountId: 'anonymous',
      apiId: name,
      domainName: host ?? 'localhost',
      domainPrefix: firstLabel(host ?? 'localhost'),
      http: {
        method: request.method,
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: sourceOf(request),
        userAgent: request.headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: clfTime(timeEpoch),
      timeEpoch,
    },
    ...textOf(request, body),
  }
}

export function gatewayEvent({ request, body, context, name }: Received): object {
  const { path, query } = splitUrl(request.url)
  const { params, requestId } = context
  const requestTimeEpoch = Date.now()
  const proxied = path.slice(1)
  const resource = Object.keys(params).length > 0 ? path : '/{proxy+}'
  const { body: text = null, isBase64Encoded } = textOf(request, body)
  return {
    resource,
    path,
    httpMethod: request.method,
    headers: joinedHeaders(request),
    multiValueHeaders: distinctHeaders(request),
    queryStringParameters: query === '' ? null : valuesOf(query, all => all.at(-1)!),
    multiValueQueryStringParameters: query === '' ? null : valuesOf(query, all => all),
    pathParameters: Object.keys(params).length > 0 ? params : proxied === '' ? null : { proxy: proxied },
    stageVariables: null,
    requestContext: {
      accountId: 'anonymous',
      apiId: name,
      authorizer: null,
      protocol: `HTTP/${request.httpVersion}`,
      httpMethod: request.method,
      path,
      stage: '$default',
      requestId,
      requestTime: clfTime(requestTimeEpoch),
      requestTimeEpoch,
      resourceId: name,
      resourcePath: resource,
      domainName: request.headers.host ?? 'localhost',
      identity: { ...NO_IDENTITY, sourceIp: sourceOf(request), userAgent: request.headers['user-agent'] ?? null },
    },
    body: text,
    isBase64Encoded,
  }
}

const NO_IDENTITY = Object.fromEntries(
  ['accessKey', 'accountId', 'apiKey', 'apiKeyId', 'caller', 'clientCert', 'cognitoAuthenticationProvider']
    .concat(['cognitoAuthenticationType', 'cognitoIdentityId', 'cognitoIdentityPoolId', 'principalOrgId', 'user'])
    .concat(['userArn'])
    .map(name => [name, null]),
)

export interface LambdaResult {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Buffer
}

interface GivenResult {
  statusCode?: number | string
  headers?: Record<string, string | number | boolean>
  multiValueHeaders?: Record<string, (string | number | boolean)[]>
  cookies?: string[]
  body?: unknown
  isBase64Encoded?: boolean
}

/** A result without a status is the body, as JSON unless it is text. */
export function urlResult(result: unknown): LambdaResult {
  const given = result as GivenResult | null | undefined
  if (typeof given !== 'object' || given === null || given.statusCode === undefined) {
    const body = typeof result === 'string' ? result : (JSON.stringify(result) ?? 'null')
    return { headers: { 'content-type': 'application/json' }, body }
  }
  return {
    status: statusOf(given),
    headers: {
      'content-type': 'application/json',
      ...lowerCase(given.headers),
      ...(given.cookies && { 'set-cookie': given.cookies }),
    },
    ...bodyOf(given),
  }
}

/** @throws TypeError for what API Gateway answers with 502 */
export function gatewayResult(result: unknown): LambdaResult {
  const given = result as GivenResult | null | undefined
  if (typeof given !== 'object' || given === null || given.statusCode === undefined) {
    throw new TypeError('The handler must return { statusCode, headers?, multiValueHeaders?, body? }')
  }
  return {
    status: statusOf(given),
    headers: { 'content-type': 'application/json', ...lowerCase(given.headers), ...lowerCase(given.multiValueHeaders) },
    ...bodyOf(given),
  }
}

export function sendResult(response: ServerResponse, { status = 200, headers = {}, body = '' }: LambdaResult): void {
  if (status === 204 || status === 304) return void response.writeHead(status, headers).end()
  // A string goes out in one write with the headers.
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

function statusOf({ statusCode }: GivenResult): number {
  const status = Number(statusCode)
  if (Number.isInteger(status) && status >= 200 && status <= 999) return status
  throw new TypeError(`The handler returned the statusCode ${String(statusCode)}`)
}

/** What the framing of the response says is ours to say. */
function lowerCase(headers: Record<string, unknown> = {}): Record<string, string | string[]> {
  const lower: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase()
    if (value === undefined || value === null || key === 'content-length' || key === 'transfer-encoding') continue
    lower[key] = Array.isArray(value) ? value.map(textOfHeader) : textOfHeader(value)
  }
  return lower
}

function textOfHeader(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function bodyOf({ body, isBase64Encoded = false }: GivenResult): { body?: string | Buffer } {
  if (body === undefined || body === null) return {}
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { body: isBase64Encoded ? Buffer.from(text, 'base64') : text }
}

function textOf(request: IncomingMessage, body: Buffer): { body?: string; isBase64Encoded: boolean } {
  if (body.length === 0) return { isBase64Encoded: false }
  const type = mediaTypeOf(request)
  if (type === '' || TEXT.test(type)) return { body: body.toString(), isBase64Encoded: false }
  return { body: body.toString('base64'), isBase64Encoded: true }
}

function joinedHeaders({ headers }: IncomingMessage): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) joined[name] = typeof value === 'string' ? value : value.join(',')
  }
  return joined
}

/** As `headersDistinct`, which costs more than all the rest. */
function distinctHeaders({ headers, rawHeaders }: IncomingMessage): Record<string, string[]> {
  const distinct: Record<string, string[]> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (name in headers) (distinct[name] ??= []).push(rawHeaders[i + 1]!)
  }
  return distinct
}

function valuesOf<T>(query: string, one: (all: string[]) => T): Record<string, T> {
  const params = new URLSearchParams(query)
  const values: Record<string, T> = {}
  for (const name of params.keys()) values[name] ??= one(params.getAll(name))
  return values
}

function firstLabel(host: string): string {
  const end = host.search(/[.:]/)
  return end === -1 ? host : host.slice(0, end)
}

function sourceOf({ headers, socket }: IncomingMessage): string {
  const forwarded = headers['x-forwarded-for']
  const first = typeof forwarded === 'string' ? forwarded.split(',', 1)[0]!.trim() : ''
  return first || (socket.remoteAddress ?? '')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

let lastSecond = 0
let lastTime = ''

/** `09/Apr/2015:12:34:56 +0000`. Most calls are in the same second as the one before. */
function clfTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  if (second === lastSecond) return lastTime
  const iso = new Date(epochMs).toISOString()
  lastSecond = second
  lastTime = `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
  return lastTime
}
