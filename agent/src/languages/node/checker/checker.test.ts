import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Checker } from './checker.ts'
import { temporaryPackage, type TemporaryPackage } from './testing/temporary-package.ts'

const checker = new Checker()
const packages: TemporaryPackage[] = []
afterEach(() => {
  for (const made of packages.splice(0)) made.remove()
})
afterAll(() => checker.close())

const WEB = `export const hello = (r: Request) => new Response(r.url)`

function make(files: Record<string, string>) {
  const made = temporaryPackage(files)
  packages.push(made)
  const check = (file = 'hello.ts', unsaved?: string) =>
    checker.check({ name: 'hello', kind: 'http', packageDir: made.dir, filePath: made.path(file) }, unsaved)
  return { ...made, check }
}

describe('Checker', () => {
  it('notices an edit, a deletion and a return of the file', () => {
    const folder = make({ 'hello.ts': WEB })
    expect(folder.check().kind).toBe('accepted')
    folder.write({ 'hello.ts': `export const hello = 'no longer a function'` })
    expect(folder.check()).toMatchObject({ problems: [{ code: 'not-a-function' }] })
    folder.remove()
    expect(folder.check()).toMatchObject({ problems: [{ code: 'missing-file' }] })
    folder.write({ 'hello.ts': WEB })
    expect(folder.check().kind).toBe('accepted')
  })

  it('notices an edit of the module that declares the handler', () => {
    const folder = make({ 'hello.ts': `export * from './inner.ts'`, 'inner.ts': WEB })
    expect(folder.check().kind).toBe('accepted')
    folder.write({ 'inner.ts': `export const hello = (n: number) => n` })
    expect(folder.check()).toMatchObject({ problems: [{ code: 'wrong-parameters', file: folder.path('inner.ts') }] })
  })

  it('notices that a missing module was added', () => {
    const folder = make({ 'hello.ts': `export { hello } from './late.ts'` })
    expect(folder.check()).toMatchObject({ problems: [{ code: 'unresolved-type' }] })
    folder.write({ 'late.ts': WEB })
    expect(folder.check().kind).toBe('accepted')
  })

  it('notices that a missing package was installed', () => {
    const folder = make({
      'hello.ts': `import type { R } from 'late'\nexport const hello = (r: R) => new Response(r.url)`,
    })
    expect(folder.check()).toMatchObject({ problems: [{ code: 'unresolved-type' }] })
    folder.write({
      'node_modules/late/package.json': `{ "name": "late", "types": "index.d.ts" }`,
      'node_modules/late/index.d.ts': `export type R = Request`,
    })
    expect(folder.check().kind).toBe('accepted')
  })

  it('notices a change of tsconfig.json, also of one that it extends', () => {
    const folder = make({
      'hello.ts': `export { hello } from 'alias'`,
      'src/hello.ts': WEB,
      'tsconfig.json': `{ "extends": "./base.json" }`,
      'base.json': `{ "compilerOptions": { "lib": ["ES2023"] } }`,
    })
    expect(folder.check().kind).toBe('rejected')
    folder.write({
      'base.json': `{ "compilerOptions": { "lib": ["ES2023"], "paths": { "alias": ["./src/hello.ts"] } } }`,
    })
    expect(folder.check().kind).toBe('accepted')
  })

  it('checks unsaved text instead of the file, only while it is given', () => {
    const folder = make({ 'hello.ts': WEB })
    expect(folder.check('hello.ts', `export const hello = 1`)).toMatchObject({ problems: [{ code: 'not-a-function' }] })
    expect(folder.check().kind).toBe('accepted')
    expect(folder.check('unsaved.ts', WEB).kind).toBe('accepted')
  })

  it('knows global types that the configuration includes', () => {
    const folder = make({
      'hello.ts': `export const hello: Greeter = r => new Response(r.url)`,
      'types/global.d.ts': `type Greeter = (r: Request) => Response`,
      'tsconfig.json': `{ "include": ["."], "compilerOptions": { "lib": ["ES2023"] } }`,
    })
    expect(folder.check().kind).toBe('accepted')
  })

  it('uses our runtime even if the package has another one installed', () => {
    const folder = make({
      'hello.ts': `import type { WebHandler } from '@ryo-faas/runtime'\nexport const hello: WebHandler = r => new Response(r.url)`,
      'node_modules/@ryo-faas/runtime/package.json': `{ "name": "@ryo-faas/runtime", "types": "index.d.ts" }`,
      'node_modules/@ryo-faas/runtime/index.d.ts': `export type WebHandler = (n: number) => string`,
    })
    expect(folder.check()).toEqual({ kind: 'accepted', style: 'web', exportName: 'hello', form: 'web handler' })
  })

  it('checks more packages than it keeps warm, and one it was told to forget', () => {
    const folders = Array.from({ length: 10 }, () => make({ 'hello.ts': WEB }))
    for (const folder of [...folders, ...folders]) expect(folder.check().kind).toBe('accepted')
    checker.forget(folders[9]!.path('hello.ts'))
    expect(folders[9]!.check().kind).toBe('accepted')
    expect(checker.warm).toEqual(folders.slice(6).map(({ dir }) => dir))
  })

  it('keeps no other package warm beside one with very many files', () => {
    const [first, second] = [make({ 'hello.ts': WEB }), make({ 'hello.ts': WEB })]
    const small = new Checker(undefined, 100)
    const check = ({ dir, path }: TemporaryPackage) =>
      small.check({ name: 'hello', kind: 'http', packageDir: dir, filePath: path('hello.ts') }).kind
    expect([check(first), check(second)]).toEqual(['accepted', 'accepted'])
    expect(small.warm).toEqual([second.dir])
    small.close()
  })
})
