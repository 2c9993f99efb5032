import { describe, expect, it } from 'vitest'
import { compileDecorated } from '../checker/compile.ts'
import { runFunction } from './testing/bundled-function.ts'
import { useBuilder } from './testing/use-builder.ts'

const compiled: string[] = []
const { folder, bundle, run } = useBuilder({
  compile: async request => {
    compiled.push(request.path)
    return compileDecorated(request)
  },
})

const config = (compilerOptions: object) => ({ 'tsconfig.json': JSON.stringify({ compilerOptions }) })

/** As `reflect-metadata` and a container for dependencies do it, as small as possible. */
const METADATA = `
  const kept = new Map()
  Reflect.metadata = (key, value) => (target, property) => void kept.set(target, { ...kept.get(target), [key + '/' + (property ?? '')]: value })
  export const injectable = () => (target: any) => target
  export const field = () => (target: any, property: string) => undefined
  export const typesOf = (target: any, key: string) => [kept.get(target)?.[key]].flat().map((type: any) => type?.name)`

describe('metadata of decorators', () => {
  const files = {
    'base.json': `{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true, "strict": true } }`,
    'tsconfig.json': `{ "extends": "./base.json" }`,
    'metadata.ts': METADATA,
    'names.ts': `export class Names { first = 'Ada' }; export interface Clock { now(): number }`,
    'hello.ts': `import { field, injectable, typesOf } from './metadata.ts'
import { Names, Clock } from './names.ts'
import { OnlyTypes } from 'only-types'
enum Kind { A, B }
@injectable()
class Greeter {
  @field() born!: Date
  @field() kind!: Kind
  constructor(readonly names: Names, readonly clock: Clock, readonly id?: string, readonly only?: OnlyTypes) {}
}
export const hello = () =>
  new Response([...typesOf(Greeter, 'design:paramtypes/'), ...typesOf(Greeter.prototype, 'design:type/born'), ...typesOf(Greeter.prototype, 'design:type/kind')].join())`,
  }

  it('is there if tsconfig.json, or what it extends, asks for it', async () => {
    const made = folder(files)
    expect(await run(made.dir)).toMatchObject({ notes: [], answer: 'Names,Object,String,Object,Date,Number' })
    made.write({ 'base.json': `{ "compilerOptions": { "experimentalDecorators": true } }` })
    expect((await run(made.dir)).answer).toBe(',,')
  })

  it('keeps the names of classes, although a bundle has only one of each', async () => {
    const entity = (more: string) => `import { injectable } from './metadata.ts'
      @injectable() export class User { ${more} }`
    const made = folder({
      ...files,
      'a.ts': entity(''),
      'b.ts': entity(''),
      'c.ts': entity(`static name = 'own'`),
      'hello.ts': `import * as a from './a.ts'; import * as b from './b.ts'; import * as c from './c.ts'
        export const hello = () => new Response([a, b, c].map(({ User }) => User.name).join())`,
    })
    expect((await run(made.dir)).answer).toBe('User,User,own')
  })

  it('leaves the lines of stack traces, JSX and what is next to the code as they are', async () => {
    const made = folder({
      ...files,
      ...config({ emitDecoratorMetadata: true, experimentalDecorators: true, jsx: 'react', jsxFactory: 'h' }),
      'data.txt': 'data',
      'hello.tsx': `import { readFileSync } from 'node:fs'
import { injectable } from './metadata.ts'
const h = (name: string) => '<' + name + '>'

@injectable()
class Page {
  text: string = <p /> + readFileSync(new URL('./data.txt', import.meta.url), 'utf8')
}
export function hello(request: Request): Response {
  if (request.url.endsWith('/throws')) throw new Error('on line 10')
  return new Response(new Page().text)
}`,
    })
    const { dir, entry } = await (
      await bundle(made.dir, { filePath: made.path('hello.tsx') })
    ).write(folder().path('1'))
    await using running = await runFunction(`${dir}/${entry}`)
    expect(await running.get()).toBe('<p>data')
    await running.get('/throws')
    expect(running.errors()).toMatch(/at hello \(.*[/\\]app[/\\]hello\.tsx:10:\d+\)/)
  })

  it('is compiled only for TypeScript files with a decorator', async () => {
    const made = folder({
      ...files,
      'plain.ts': `/**\n * @returns mail\n */\nexport const plain = 'a@b.c'`,
      'hello.ts': `${files['hello.ts']}\nexport * from './plain.ts'`,
    })
    compiled.length = 0
    await bundle(made.dir)
    await bundle(made.dir)
    expect(compiled).toEqual([made.path('hello.ts')])
  })
})

describe('JSX', () => {
  const runtime = (name: string) => ({
    [`node_modules/${name}/package.json`]: `{ "name": "${name}" }`,
    [`node_modules/${name}/jsx-runtime.js`]: `exports.jsx = tag => '${name} ' + tag`,
  })
  const page = { ...runtime('react'), 'hello.tsx': `export const hello = () => new Response(<p />)` }
  const answerTo = async (files: Record<string, string>) => {
    const made = folder({ ...page, ...files })
    return (await run(made.dir, { filePath: made.path('hello.tsx') })).answer
  }

  it('that tsconfig.json preserves, or says nothing about, is that of React', async () => {
    expect(await answerTo(config({ jsx: 'preserve' }))).toBe('react p')
    expect(await answerTo({})).toBe('react p')
    expect(await answerTo({ ...config({ jsx: 'preserve', jsxImportSource: 'preact' }), ...runtime('preact') })).toBe(
      'preact p',
    )
  })

  it('is made by a factory that the file or tsconfig.json names', async () => {
    const h = `const h = (tag: string) => 'h ' + tag; export const hello = () => new Response(<p />)`
    expect(await answerTo({ 'hello.tsx': `/** @jsx h */ ${h}` })).toBe('h p')
    expect(await answerTo({ ...config({ jsx: 'preserve', jsxFactory: 'h' }), 'hello.tsx': h })).toBe('h p')
    expect(await answerTo({ ...config({ jsx: 'react', jsxFactory: 'h' }), 'hello.tsx': h })).toBe('h p')
  })
})
