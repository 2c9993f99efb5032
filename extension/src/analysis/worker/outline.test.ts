import { expect, test } from 'vitest'
import { outlineOf } from './outline.ts'

const likenesses = (text: string, file = '/x/a.ts') =>
  Object.fromEntries(outlineOf(file, text).candidates.map(({ name, likeness, kind }) => [name, `${likeness} ${kind}`]))

test('functions whose types are written like those of a handler look like one', () => {
  const text = `
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as http from 'http'
import type { DocumentEvent, FunctionContext as Context, HttpHandler, Service } from '@ryo-faas/runtime'
export function node(request: IncomingMessage, response: ServerResponse): void {}
export async function qualified(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {}
export const web = (request: Request): Response => new Response()
export const late = async (request: Request, context: Context): Promise<Response> => new Response()
export const none = (): Response => new Response()
export const typed: HttpHandler = (request, response) => {}
export const satisfied = ((request, response) => {}) satisfies HttpHandler
export function changed(event: DocumentEvent<{ a: number }>) {}
export function main(service: Service) {}
`
  expect(likenesses(text)).toEqual({
    node: 'handler http',
    qualified: 'handler http',
    web: 'handler http',
    late: 'handler http',
    none: 'handler http',
    typed: 'handler http',
    satisfied: 'handler http',
    changed: 'handler trigger',
    main: 'handler service',
  })
})

test('what only mentions the types is for the checker to say, and what does not is nothing', () => {
  const text = `
import type { IncomingMessage } from 'node:http'
export function inferred(request: Request) { return new Response() }
export const wrong = (request: Request): string => ''
export const half = (request: IncomingMessage) => {}
export function add(a: number, b: number) { return a + b }
export const anything = (a, b) => {}
export const constant = 4
function hidden(request: Request): Response { return new Response() }
export class Handler { handle(request: Request): Response { return new Response() } }
`
  expect(likenesses(text)).toEqual({
    inferred: 'perhaps http',
    wrong: 'perhaps http',
    half: 'perhaps http',
    add: 'none http',
    anything: 'none http',
    constant: 'none http',
  })
})

test("another library's Request and Response are not those of the web", () => {
  const text = `
import type { Request, Response } from 'express'
export const route = (request: Request, response: Response): void => {}
`
  expect(likenesses(text)).toEqual({ route: 'none http' })
})

test('exports are found in every form', () => {
  const web = '(request: Request): Response => new Response()'
  expect(
    Object.keys(likenesses(`const a = ${web}\nexport { a as b }\nexport default a\nexport { c } from './c'`)),
  ).toEqual(['b', 'a', 'c'])
  const commonJs = `
/** @param {import('node:http').IncomingMessage} req @param {import('node:http').ServerResponse} res */
function f(req, res) {}
module.exports = { f, g: f }
exports.h = f
`
  expect(likenesses(commonJs, '/x/a.cjs')).toEqual({ f: 'handler http', g: 'none http', h: 'handler http' })
})

test('a text that does not parse says so', () => {
  expect(outlineOf('/x/a.ts', 'export const a = (request: Request').isWhole).toBe(false)
  expect(outlineOf('/x/a.ts', 'export const a = 1').isWhole).toBe(true)
})

test('an export reaches from its comment to its end, and no further than what is its own', () => {
  const extents = (text: string, file?: string) =>
    outlineOf(file ?? '/x/a.ts', text).candidates.map(({ name, extent: { start, end } }) =>
      [name, start.line, end.line].join(' '),
    )
  expect(extents('\n/** a */\nexport function a() {\n}\nconst b = () => {\n}\nexport { b }\n')).toEqual([
    'a 1 3',
    'b 4 5',
  ])
  expect(extents('export const a = 1,\n  b = 2')).toEqual(['a 0 0', 'b 1 1'])
  expect(extents('module.exports = {\n  f() {\n  },\n  g: () => 1,\n}', '/x/a.cjs')).toEqual(['f 1 2', 'g 3 3'])
})

const standards = (text: string, file: string) =>
  outlineOf(file, text).candidates.map(
    ({ name, likeness, isStandard }) => `${name} ${likeness}${isStandard ? ' standard' : ''}`,
  )

test.each([
  ['export default new Hono()', 'orders perhaps standard'],
  ['const app = express()\nexport default app', 'app perhaps standard'],
  ['export const app = await NestFactory.create(AppModule)', 'app perhaps'],
  ['export default { fetch(request: Request) { return new Response(request.url) } }', 'orders perhaps standard'],
  ['export default { fetch: handle } satisfies ExportedHandler<Env>', 'orders perhaps standard'],
  ['export default { a: 1 }', 'orders none standard'],
  ['export const handler: APIGatewayProxyHandlerV2 = async event => ({ statusCode: 200 })', 'handler perhaps'],
  ['export default (request: VercelRequest, response: VercelResponse) => {}', 'orders perhaps standard'],
  ['export default (request: Request): Response => new Response()', 'orders handler standard'],
  ['export default function (request: Request): Response { return new Response() }', 'orders handler standard'],
  ['module.exports = async (event, context) => context.status(200).succeed(1)', 'orders perhaps standard'],
  ['exports.handler = async (event, context) => ({ statusCode: 200 })', 'handler perhaps'],
])('what other platforms call a handler may be one: %s', (text, expected) => {
  expect(standards(text, '/x/orders.ts')).toEqual([expected])
})

test('the methods of a route module are one function, called after its folder', () => {
  const text = `export const helper = 1
export async function GET(request: Request): Promise<Response> { return new Response() }
export async function POST(request: Request): Promise<Response> { return new Response() }`
  expect(standards(text, '/x/api/users/route.ts')).toEqual(['helper none', 'users handler standard'])
  expect(standards(text, '/x/api/[id]/route.ts').at(-1)).toBe('id handler standard')
  const { candidates } = outlineOf('/x/route.ts', text)
  expect(candidates.at(-1)!.range.start.line).toBe(1)
})
