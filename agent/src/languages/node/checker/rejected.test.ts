import { describe, expect, it } from 'vitest'
import { NODE, useChecker } from './testing/judged-cases.ts'

const { checker, folder, rejects } = useChecker()

rejects([
  // The export.
  {
    title: 'a function that is not exported',
    code: NODE + `function HelloWorld(q: IncomingMessage, s: ServerResponse) { s.end() }\nexport const other = 1`,
    problem: 'not-exported',
    at: 'HelloWorld',
    says: /"HelloWorld" is declared here but not exported/,
    hints: /export/,
  },
  {
    title: 'a const that is not exported in a file without exports',
    code: `const HelloWorld = () => new Response('')`,
    problem: 'not-exported',
    at: 'HelloWorld',
    says: /not exported/,
  },
  {
    title: 'a name that differs only in case',
    code: `export const helloWorld = () => new Response('')`,
    problem: 'wrong-case',
    at: 'helloWorld',
    says: /deploy.json says "HelloWorld", but the export is "helloWorld"/,
    hints: /"name": "helloWorld"/,
  },
  {
    title: 'a typo',
    code: `export const HeloWorld = () => new Response('')\nexport const other = 1`,
    problem: 'no-such-export',
    says: /no export "HelloWorld"/,
    hints: /exports "HeloWorld", "other". Did you mean "HeloWorld"\?/,
  },
  {
    title: 'a module without exports',
    code: `console.log(1)`,
    problem: 'no-such-export',
    says: /no export/,
    hints: /exports nothing/,
  },
  { title: 'an empty file', code: ``, problem: 'no-such-export', says: /no export/, hints: /exports nothing/ },
  {
    title: 'a re-export of a missing module',
    code: `export { HelloWorld } from './nowhere.ts'`,
    problem: 'unresolved-type',
    at: 'HelloWorld',
    says: /exported from a module that was not found/,
  },
  {
    title: 'a string',
    code: `export const HelloWorld = 'hi'`,
    problem: 'not-a-function',
    at: 'HelloWorld',
    says: /of type "hi", which cannot be called/,
  },
  {
    title: 'an object with a handler in it',
    code: `export const HelloWorld = { serve: () => new Response('') }`,
    problem: 'not-a-function',
    at: 'HelloWorld',
    says: /cannot be called/,
  },
  {
    title: 'a class',
    code: `export class HelloWorld { fetch() { return new Response('') } }`,
    problem: 'is-class',
    at: 'HelloWorld',
    says: /is a class/,
  },
  {
    title: 'a class expression',
    code: `export const HelloWorld = class {}`,
    problem: 'is-class',
    at: 'HelloWorld',
    says: /is a class/,
  },
  {
    title: 'a generator',
    code: NODE + `export function* HelloWorld(q: IncomingMessage, s: ServerResponse) { s.end(); yield 1 }`,
    problem: 'is-generator',
    at: 'HelloWorld',
    says: /is a generator/,
  },
  {
    title: 'an async generator',
    code: `export async function* HelloWorld(r: Request) { yield r.url }`,
    problem: 'is-generator',
    at: 'HelloWorld',
    says: /is a generator/,
  },
  {
    title: 'an interface',
    code: `export interface HelloWorld { a: number }`,
    problem: 'type-only',
    at: 'HelloWorld',
    says: /only a type/,
  },
  {
    title: 'a type alias',
    code: `export type HelloWorld = () => Response`,
    problem: 'type-only',
    at: 'HelloWorld',
    says: /only a type/,
  },
  {
    title: 'export type of a function',
    code: `const HelloWorld = () => new Response('')\nexport type { HelloWorld }`,
    problem: 'type-only',
    at: 'HelloWorld',
    line: 2,
    says: /only a type/,
  },
  {
    title: 'a value of unknown type',
    code: `import { make } from 'not-installed'\nexport const HelloWorld = make()`,
    problem: 'unresolved-type',
    at: 'HelloWorld',
    says: /is unknown/,
  },

  // Parameters.
  {
    title: 'a first parameter of another type',
    code: NODE + `export function HelloWorld(req: string, res: ServerResponse) { res.end(req) }`,
    problem: 'wrong-parameters',
    at: 'req: string',
    says: /parameter "req" of type string, but IncomingMessage or Request is passed/,
    hints: /Expected \(request: IncomingMessage/,
  },
  {
    title: 'a second parameter of another type',
    code: NODE + `export function HelloWorld(req: IncomingMessage, res: number) { return res }`,
    problem: 'wrong-parameters',
    at: 'res: number',
    says: /"res" of type number, but ServerResponse is passed/,
  },
  {
    title: 'request and response in the wrong order',
    code: NODE + `export function HelloWorld(res: ServerResponse, req: IncomingMessage) { res.end(req.url) }`,
    problem: 'wrong-parameters',
    at: 'res: ServerResponse',
    says: /of type ServerResponse/,
  },
  {
    title: 'a request with more than Node provides',
    code:
      NODE +
      `export function HelloWorld(req: IncomingMessage & { body: string }, res: ServerResponse) { res.end(req.body) }`,
    problem: 'wrong-parameters',
    at: 'req: IncomingMessage & { body: string }',
    says: /IncomingMessage & \{ body: string; \}/,
  },
  {
    title: 'a required parameter beyond what is passed',
    code:
      NODE +
      `export function HelloWorld(q: IncomingMessage, s: ServerResponse, c: unknown, more: string) { s.end(more) }`,
    problem: 'wrong-parameters',
    at: 'more: string',
    says: /requires a parameter "more", but only 3 arguments will be passed/,
  },
  {
    title: 'a request without a response',
    code: NODE + `export function HelloWorld(req: IncomingMessage) { console.log(req.url) }`,
    problem: 'wrong-parameters',
    at: 'req: IncomingMessage',
    says: /no response: it cannot answer/,
  },
  {
    title: 'a function without parameters that returns nothing',
    code: `export function HelloWorld() {}`,
    problem: 'wrong-parameters',
    at: 'HelloWorld',
    says: /takes no parameters and returns void/,
  },
  {
    title: 'a web handler with a Node response',
    code: NODE + `export function HelloWorld(req: Request, res: ServerResponse) { res.end(req.url) }`,
    problem: 'wrong-parameters',
    at: 'res: ServerResponse',
    says: /"res" of type ServerResponse.*but FunctionContext is passed/,
  },
  {
    title: 'a parameter whose type is imported from a missing module',
    code: `import type { Request as R, Response as S } from 'not-installed'\nexport function HelloWorld(req: R, res: S) { res.end() }`,
    problem: 'unresolved-type',
    at: 'R',
    line: 2,
    says: /parameter "req" whose type R was not found/,
    hints: /install the package/,
  },
  {
    title: 'a parameter whose type is not declared',
    code: NODE + `export function HelloWorld(req: IncomingMessage, res: Nowhere) {}`,
    problem: 'unresolved-type',
    at: 'Nowhere',
    says: /"res" whose type Nowhere was not found/,
  },
  {
    title: 'a result whose type is misspelled',
    code: `export function HelloWorld(request: Request): Respons { return new Response(request.url) }`,
    problem: 'unresolved-type',
    at: 'Respons',
    says: /returns Respons, which was not found/,
  },
  {
    title: 'a promised result whose type is misspelled, without parameters',
    code: `export async function HelloWorld(): Promise<Respons> { return new Response('') }`,
    problem: 'unresolved-type',
    at: 'Promise<Respons>',
    says: /returns Promise<Respons>, which was not found/,
  },
  {
    title: 'JavaScript without types, one parameter and no answer',
    file: 'handler.js',
    code: `export function HelloWorld(req) { console.log(req) }`,
    problem: 'wrong-parameters',
    at: 'req',
    line: 1,
    says: /takes one parameter and returns void/,
  },
  {
    title: 'JavaScript with JSDoc of another type',
    file: 'handler.js',
    code: `/** @param {number} a @param {string} b */\nexport function HelloWorld(a, b) { return a + b }`,
    problem: 'wrong-parameters',
    at: 'a',
    line: 2,
    says: /"a" of type number/,
  },
  {
    title: 'a const whose type says something else',
    code: `type F = (n: number) => string\nexport const HelloWorld: F = n => String(n)`,
    problem: 'wrong-parameters',
    says: /of type number/,
    at: 'HelloWorld',
  },
  {
    title: 'a third parameter that is required and is not the context',
    code:
      `import type { IncomingMessage, ServerResponse } from 'node:http'\n` +
      `export const HelloWorld = (q: IncomingMessage, s: ServerResponse, next: (error?: unknown) => void) => next()`,
    problem: 'wrong-parameters',
    at: 'next: (error?: unknown) => void',
    says: /"next" of type .*, but FunctionContext is passed/,
  },

  // Results.
  {
    title: 'a web handler that returns a string',
    code: `export function HelloWorld(r: Request): string { return r.url }`,
    problem: 'wrong-return',
    at: 'string',
    says: /must return Response or Promise<Response>, but it returns string/,
  },
  {
    title: 'a web handler that returns nothing',
    code: `export async function HelloWorld(r: Request) { await r.text() }`,
    problem: 'wrong-return',
    at: 'HelloWorld',
    says: /returns void/,
  },
  {
    title: 'a web handler that sometimes returns nothing',
    code: `export function HelloWorld(r: Request) { if (r.url) return new Response('') }`,
    problem: 'wrong-return',
    at: 'HelloWorld',
    says: /returns Response \| undefined/,
  },
  {
    title: 'a Node handler that returns a Response',
    code:
      NODE + `export function HelloWorld(q: IncomingMessage, s: ServerResponse): Response { return new Response('') }`,
    problem: 'wrong-return',
    at: 'Response',
    line: 2,
    says: /would be ignored/,
  },
])

describe('rejects a file', () => {
  const check = (path: string) =>
    checker.check({ name: 'HelloWorld', kind: 'http', packageDir: folder.dir, filePath: folder.path(path) })

  it('that is missing', () => {
    expect(check('missing.ts')).toMatchObject({
      problems: [{ code: 'missing-file', file: folder.path('missing.ts'), line: 1, column: 1 }],
    })
  })

  it('that is a folder', () => {
    folder.write({ 'inner/x.ts': '' })
    expect(check('inner')).toMatchObject({ problems: [{ code: 'missing-file' }] })
  })

  it('that is not a module', () => {
    folder.write({ 'readme.md': '# hi' })
    expect(check('readme.md')).toMatchObject({
      problems: [{ code: 'missing-file', message: expect.stringMatching(/not a TypeScript or JavaScript module/) }],
    })
  })

  it('with syntax errors, all of them with their locations', () => {
    folder.write({ 'broken.ts': `export function HelloWorld( { \n\nconst = 3\n` })
    const outcome = check('broken.ts')
    const problems = outcome.kind === 'rejected' ? outcome.problems : []
    expect(problems.length).toBeGreaterThan(1)
    for (const problem of problems)
      expect(problem).toMatchObject({ code: 'syntax-error', file: folder.path('broken.ts') })
    expect(problems.map(({ line }) => line)).toContain(3)
  })

  it('with bytes that are not text', () => {
    folder.write({ 'binary.ts': '\u0000\u0001\uFFFD\uFFFD' })
    expect(check('binary.ts').kind).toBe('rejected')
  })
})
