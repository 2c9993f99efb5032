import { NODE, useChecker } from './testing/judged-cases.ts'

const { accepts } = useChecker()

const RUNTIME = `import type { FunctionContext, HttpHandler, WebHandler } from '@ryo-faas/runtime'\n`

accepts([
  // Ways to write a Node-style function.
  {
    title: 'a function declaration',
    code: NODE + `export function HelloWorld(req: IncomingMessage, res: ServerResponse) { res.end('hi') }`,
    style: 'node',
  },
  {
    title: 'a module that imports files that are not code',
    code: `import sql from './a.sql'; import wasm from './a.wasm'; export const HelloWorld = () => new Response(sql + wasm)`,
    others: { 'a.sql': 'SELECT 1', 'a.wasm': '' },
    style: 'web',
  },
  {
    title: 'whatever its parameters are called',
    code: NODE + `export function HelloWorld(a: IncomingMessage, _: ServerResponse): void { _.end(a.url) }`,
    style: 'node',
  },
  {
    title: 'an async function',
    code: NODE + `export async function HelloWorld(req: IncomingMessage, res: ServerResponse) { await 1; res.end() }`,
    style: 'node',
  },
  {
    title: 'an arrow function in a const',
    code: NODE + `export const HelloWorld = (req: IncomingMessage, res: ServerResponse) => { res.end() }`,
    style: 'node',
  },
  {
    title: 'a function expression',
    code: NODE + `export const HelloWorld = function named(req: IncomingMessage, res: ServerResponse) { res.end() }`,
    style: 'node',
  },
  {
    title: 'a handler that returns what end() returns',
    code: NODE + `export const HelloWorld = (req: IncomingMessage, res: ServerResponse) => res.end()`,
    style: 'node',
  },
  {
    title: 'a third parameter for the context',
    code:
      NODE +
      RUNTIME +
      `export function HelloWorld(q: IncomingMessage, s: ServerResponse, c: FunctionContext) { s.end(c.name) }`,
    style: 'node',
    takesContext: true,
  },
  {
    title: 'an app that takes three arguments, the third of which is not the context',
    code:
      NODE +
      `type App = (q: IncomingMessage, s: ServerResponse, next?: (error?: unknown) => void) => void
export const HelloWorld: App = (q, s, next) => { s.end(); next?.() }`,
    style: 'node',
  },
  {
    title: 'an app as Express declares it, whose own code takes three arguments',
    code:
      NODE +
      `interface ExpressRequest extends IncomingMessage { params: object }
interface ExpressResponse extends ServerResponse { send(body: string): this }
interface App {
  (request: ExpressRequest | IncomingMessage, response: ExpressResponse | ServerResponse): any
  (request: ExpressRequest, response: ExpressResponse, next: (error?: any) => void): void
  use(...handlers: unknown[]): this
}
declare function express(): App
export const HelloWorld = express()`,
    style: 'node',
  },
  {
    title: 'an optional parameter beyond what is passed',
    code:
      NODE +
      `export function HelloWorld(q: IncomingMessage, s: ServerResponse, c?: unknown, more?: string) { s.end() }`,
    style: 'node',
    takesContext: true,
  },
  {
    title: 'a namespace import of node:http',
    code: `import * as http from 'http'\nexport function HelloWorld(q: http.IncomingMessage, s: http.ServerResponse) { s.end() }`,
    style: 'node',
  },
  {
    title: 'an unknown request',
    code: NODE + `export function HelloWorld(_: unknown, res: ServerResponse) { res.end() }`,
    style: 'node',
  },
  {
    title: 'parameters of a supertype',
    code: `export function HelloWorld(q: { url?: string }, s: { end(text: string): unknown }) { s.end(q.url ?? '') }`,
    style: 'node',
  },
  {
    title: 'a rest parameter that is a tuple',
    code: NODE + `export function HelloWorld(...[req, res]: [IncomingMessage, ServerResponse]) { res.end(req.url) }`,
    style: 'node',
  },
  {
    title: 'destructured parameters',
    code: NODE + `export function HelloWorld({ url }: IncomingMessage, res: ServerResponse) { res.end(url) }`,
    style: 'node',
  },
  {
    title: 'a generic function',
    code: NODE + `export function HelloWorld<T extends ServerResponse>(req: IncomingMessage, res: T) { res.end() }`,
    style: 'node',
  },
  {
    title: 'an overloaded function with one matching signature',
    code:
      NODE +
      `export function HelloWorld(n: number): number
export function HelloWorld(req: IncomingMessage, res: ServerResponse): void
export function HelloWorld(a: any, b?: any): any { b?.end(String(a)) }`,
    style: 'node',
  },
  {
    title: 'a const of type HttpHandler',
    code: RUNTIME + `export const HelloWorld: HttpHandler = (_, res) => { res.end() }`,
    style: 'node',
    takesContext: true,
  },
  {
    title: 'satisfies HttpHandler',
    code: RUNTIME + `export const HelloWorld = ((_, res) => { res.end() }) satisfies HttpHandler`,
    style: 'node',
  },
  {
    title: 'a wrapped handler',
    code:
      NODE +
      `const withAuth = (inner: (req: IncomingMessage, res: ServerResponse) => void) => inner
export const HelloWorld = withAuth((req, res) => { res.end(req.url) })`,
    style: 'node',
  },
  {
    title: 'a handler made by a generic wrapper',
    code:
      NODE +
      `const timed = <A extends unknown[], R>(inner: (...args: A) => R) => (...args: A): R => inner(...args)
export const HelloWorld = timed((req: IncomingMessage, res: ServerResponse) => { res.end(req.url) })`,
    style: 'node',
  },

  // Web style.
  {
    title: 'a web handler',
    code: `export const HelloWorld = (r: Request): Response => new Response(r.url)`,
    style: 'web',
  },
  {
    title: 'an async web handler',
    code: `export async function HelloWorld(request: Request) { return Response.json(await request.json()) }`,
    style: 'web',
  },
  {
    title: 'a web handler with the context',
    code: RUNTIME + `export const HelloWorld = (_: Request, c: FunctionContext) => new Response(c.requestId)`,
    style: 'web',
  },
  {
    title: 'a web handler without parameters',
    code: `export const HelloWorld = () => new Response('x')`,
    style: 'web',
  },
  {
    title: 'a const of type WebHandler',
    code: RUNTIME + `export const HelloWorld: WebHandler = async r => new Response(r.url)`,
    style: 'web',
  },
  {
    title: 'satisfies WebHandler',
    code: RUNTIME + `export const HelloWorld = (r => new Response(r.url)) satisfies WebHandler`,
    style: 'web',
  },
  {
    title: 'a web handler with several returns',
    code: `export function HelloWorld(r: Request) { return r.url ? new Response('') : Promise.resolve(new Response('')) }`,
    style: 'web',
  },
  {
    title: 'a package whose tsconfig has the DOM library',
    code: `export const HelloWorld = (r: Request): Response => new Response(r.url)`,
    others: { 'tsconfig.json': `{ "compilerOptions": { "lib": ["ES2023", "DOM"], "strict": true } }` },
    style: 'web',
  },

  // Ways to export.
  {
    title: 'a separate export list',
    code: NODE + `function HelloWorld(q: IncomingMessage, s: ServerResponse) { s.end() }\nexport { HelloWorld }`,
    style: 'node',
  },
  {
    title: 'a renamed export',
    code: NODE + `function foo(q: IncomingMessage, s: ServerResponse) { s.end() }\nexport { foo as HelloWorld }`,
    style: 'node',
  },
  {
    title: 'a re-export',
    code: `export { HelloWorld } from './other.ts'`,
    others: { 'other.ts': `export const HelloWorld = () => new Response('')` },
    style: 'web',
  },
  {
    title: 'a re-export under another name',
    code: `export { foo as HelloWorld } from './other'`,
    others: { 'other.ts': `export const foo = () => new Response('')` },
    style: 'web',
  },
  {
    title: 'export *',
    code: `export * from './other.ts'`,
    others: { 'other.ts': `export const HelloWorld = () => new Response('')` },
    style: 'web',
  },
  {
    title: 'a path alias of tsconfig.json',
    code: `export { HelloWorld } from '@/other'`,
    others: {
      'src/other.ts': `export const HelloWorld = () => new Response('')`,
      'tsconfig.json': `{ "compilerOptions": { "lib": ["ES2023"], "paths": { "@/*": ["./src/*"] } } }`,
    },
    style: 'web',
  },
  {
    title: 'export default function',
    code: `export default function HelloWorld() { return new Response('') }`,
    style: 'web',
    exportName: 'default',
  },
  {
    title: 'export default of a name',
    code: `const HelloWorld = () => new Response('')\nexport default HelloWorld`,
    style: 'web',
    exportName: 'default',
  },
  {
    title: 'a named export before the default one',
    code: `export const HelloWorld = () => new Response('')\nexport default HelloWorld`,
    style: 'web',
  },
  {
    title: 'an export whose name is a string',
    code: `const f = () => new Response('')\nexport { f as 'HelloWorld' }`,
    style: 'web',
  },

  // JavaScript.
  {
    title: 'JavaScript with JSDoc',
    file: 'handler.js',
    code: `/**
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 */
export function HelloWorld(req, res) { res.end() }`,
    style: 'node',
  },
  {
    title: 'JavaScript with a JSDoc type',
    file: 'handler.mjs',
    code: `/** @type {import('@ryo-faas/runtime').WebHandler} */\nexport const HelloWorld = r => new Response(r.url)`,
    style: 'web',
  },
  {
    title: 'JavaScript without types and two parameters',
    file: 'handler.js',
    code: `export function HelloWorld(req, res) { res.end('hi') }`,
    style: 'node',
  },
  {
    title: 'JavaScript without types that returns a Response',
    file: 'handler.js',
    code: `export const HelloWorld = request => new Response(request.url)`,
    style: 'web',
  },
  {
    title: 'JavaScript without types with two parameters that returns a Response',
    file: 'handler.js',
    code: `export const HelloWorld = (request, context) => new Response(context.name)`,
    style: 'web',
  },
  {
    title: 'exports.x of CommonJS',
    file: 'handler.cjs',
    code: `exports.HelloWorld = (req, res) => { res.end() }`,
    style: 'node',
  },
  {
    title: 'module.exports.x of CommonJS',
    file: 'handler.js',
    code: `module.exports.HelloWorld = function (req, res) { res.end() }`,
    style: 'node',
  },
  {
    title: 'module.exports = { x } of CommonJS',
    file: 'handler.js',
    code: `function HelloWorld(req, res) { res.end() }\nmodule.exports = { HelloWorld }`,
    style: 'node',
  },
  {
    title: 'module.exports = x of CommonJS',
    file: 'handler.cjs',
    code: `function HelloWorld(req, res) { res.end() }\nmodule.exports = HelloWorld`,
    style: 'node',
    exportName: 'default',
  },
  {
    title: 'JSX',
    file: 'handler.jsx',
    code: `export const HelloWorld = () => new Response(String(<p>hi</p>))`,
    style: 'web',
  },

  // What does not concern the signature.
  {
    title: 'a type error elsewhere in the file',
    code: `const n: number = 'text'\nexport const HelloWorld = () => new Response(String(n))`,
    style: 'web',
  },
  {
    title: 'an import that cannot be found elsewhere in the file',
    code: `import { x } from 'not-installed'\nexport const HelloWorld = () => new Response(x)`,
    style: 'web',
  },
  {
    title: 'a tsconfig.json that is broken',
    code: `export const HelloWorld = () => new Response('')`,
    others: { 'tsconfig.json': `{ "compilerOptions": ` },
    style: 'web',
  },
  {
    title: 'an async function for asynchronous calls',
    kind: 'async',
    code: NODE + `export async function HelloWorld(req: IncomingMessage, res: ServerResponse) { res.end() }`,
    style: 'node',
  },
])
