/** Stand-ins for the declarations of real packages, by their path: as little as the rules of dialects look at. */
export const STAND_INS = {
  'node_modules/hono/package.json': `{ "name": "hono", "types": "index.d.ts" }`,
  'node_modules/hono/index.d.ts': `
export declare class Hono { get(path: string, handler: (c: any) => any): this
  fetch: (request: Request, env?: object, ctx?: object) => Response | Promise<Response> }`,
  'node_modules/h3/package.json': `{ "name": "h3", "types": "index.d.ts" }`,
  'node_modules/h3/index.d.ts': `export declare class H3 { fetch(request: Request): Response | Promise<Response> }`,
  'node_modules/@cloudflare/workers-types/index.d.ts': `
export interface ExportedHandler<Env = unknown> {
  fetch?: (request: Request, env: Env, ctx: { waitUntil(work: Promise<unknown>): void }) => Response | Promise<Response>
  scheduled?: (event: { cron: string }, env: Env, ctx: object) => void | Promise<void> }`,
  'node_modules/graphql-yoga/index.d.ts': `
export declare function createYoga(options: object): ((request: any, response: any) => Promise<void>) & { fetch(request: Request, ...more: any[]): Promise<Response> }`,
  'node_modules/koa/package.json': `{ "name": "koa", "main": "index.js" }`,
  'node_modules/@types/koa/index.d.ts': `
import type { IncomingMessage, ServerResponse } from 'node:http'
declare class Koa { use(middleware: (c: any) => unknown): this; callback(): (q: IncomingMessage, s: ServerResponse) => Promise<void> }
export = Koa`,
  'node_modules/fastify/index.d.ts': `
import type { IncomingMessage, ServerResponse } from 'node:http'
export interface Instance extends PromiseLike<undefined> { get(path: string, handler: () => unknown): this
  ready(): Promise<void>; routing(q: IncomingMessage, s: ServerResponse): void }
export default function fastify(): Instance`,
  'node_modules/@nestjs/core/index.d.ts': `
export interface INestApplication { init(): Promise<this>; getHttpAdapter(): any; close(): Promise<void> }
export declare class NestFactory { static create(module: unknown): Promise<INestApplication> }`,
  'node_modules/express/package.json': `{ "name": "express" }`,
  'node_modules/@types/express/index.d.ts': `
import { IncomingMessage, ServerResponse } from 'node:http'
declare function e(): e.Application
declare namespace e {
  interface Request extends IncomingMessage { params: object; body: any; query: any }
  interface Response extends ServerResponse { send(body?: any): this; status(code: number): this; json(body?: any): this }
  type NextFunction = (error?: unknown) => void
  interface Router { (q: Request, s: Response, next: NextFunction): void; use(...more: any[]): this }
  function Router(): Router
  interface Application { (q: Request | IncomingMessage, s: Response | ServerResponse): any; use(...more: any[]): this; listen(port: number): unknown }
}
export = e`,
  'node_modules/@types/connect/index.d.ts': `
import { IncomingMessage, ServerResponse } from 'node:http'
declare function connect(): connect.Server
declare namespace connect { interface Server { (q: IncomingMessage, s: ServerResponse, next?: Function): void; use(fn: any): Server; handle(q: any, s: any, next: any): void } }
export = connect`,
  'node_modules/@types/aws-lambda/index.d.ts': `
export interface Context { awsRequestId: string }
export type Callback<T = any> = (error?: Error | null, result?: T) => void
export type Handler<E = any, R = any> = (event: E, context: Context, callback: Callback<R>) => void | Promise<R>
export interface APIGatewayProxyEventV2 { version: string; rawPath: string; body?: string }
export interface APIGatewayProxyStructuredResultV2 { statusCode?: number; body?: string }
export type APIGatewayProxyHandlerV2 = Handler<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 | string>
export interface APIGatewayProxyEvent { resource: string; httpMethod: string; body: string | null }
export interface APIGatewayProxyResult { statusCode: number; body: string }
export interface SQSEvent { Records: { body: string }[] }
export type SQSHandler = Handler<SQSEvent, void>
export interface S3Event { Records: { s3: object }[] }`,
  'node_modules/@vercel/node/index.d.ts': `
import type { IncomingMessage, ServerResponse } from 'node:http'
export type VercelRequest = IncomingMessage & { query: any; cookies: any; body: any }
export type VercelResponse = ServerResponse & { status(code: number): VercelResponse; json(body: any): VercelResponse }`,
  'node_modules/next/package.json': `{ "name": "next" }`,
  'node_modules/next/server.d.ts': `
export declare class NextRequest extends Request { nextUrl: URL }
export declare class NextResponse extends Response { static json(body: any): NextResponse }`,
  'node_modules/next/index.d.ts': `
import type { IncomingMessage, ServerResponse } from 'node:http'
export interface NextApiRequest extends IncomingMessage { query: any; body: any }
export type NextApiResponse = ServerResponse & { status(code: number): NextApiResponse; json(body: any): void }`,
  'node_modules/@google-cloud/functions-framework/package.json': `{ "name": "@google-cloud/functions-framework" }`,
  'node_modules/@google-cloud/functions-framework/index.d.ts': `
import type * as express from 'express'
export interface CloudEvent<T> { id: string; data?: T }
export interface Request extends express.Request { rawBody?: Buffer }
export interface HttpFunction { (q: Request, s: express.Response): any }
export interface CloudEventFunction<T = unknown> { (event: CloudEvent<T>): any }
export interface EventFunction { (data: {}, context: object): any }
export declare function http(name: string, handler: HttpFunction): void
export declare function cloudEvent<T>(name: string, handler: CloudEventFunction<T>): void`,
  'node_modules/firebase-functions/index.d.ts': `
import type * as express from 'express'
export interface Request extends express.Request { rawBody: Buffer }
export declare function onRequest(handler: (q: Request, s: express.Response) => void): ((q: Request, s: express.Response) => void) & { __endpoint: object }`,
}
