import { afterEach, expect, it } from 'vitest'
import { ts } from 'ts-morph'
import { installedTypes } from './checker-options.ts'
import { openLibraryFiles } from './library-files.ts'
import { PackageProgram } from './package-program.ts'
import { temporaryPackage, type TemporaryPackage } from './testing/temporary-package.ts'

let folder: TemporaryPackage
let program: PackageProgram
afterEach(() => {
  program.close()
  folder.remove()
})

function open(files: Record<string, string>, maxAsked?: number): (file: string) => ts.Program {
  folder = temporaryPackage(files)
  const [libraries, registry] = [openLibraryFiles(), ts.createDocumentRegistry()]
  const options = { ...installedTypes(), packageDir: folder.dir, libraries, registry }
  program = new PackageProgram({ ...options, ...(maxAsked !== undefined && { maxAsked }) })
  return file => program.open(folder.path(file)).program
}

const LIBRARY = {
  'node_modules/library/package.json': '{ "name": "library", "types": "index.d.ts" }',
  'node_modules/library/index.d.ts': `import type { P } from 'peer'\nexport type R = P`,
}

it('a package with missing imports does not rebuild every program, and a later installation is noticed', () => {
  const programOf = open({
    ...LIBRARY,
    'hello.ts': `import type { R } from 'library'\nexport const hello = (r: R) => r`,
  })
  const first = programOf('hello.ts')
  expect(programOf('hello.ts')).toBe(first)
  const peer = folder.path('node_modules/peer/index.d.ts')
  expect(first.getSourceFile(peer)).toBeUndefined()
  folder.write({
    'node_modules/peer/package.json': '{ "name": "peer", "types": "index.d.ts" }',
    'node_modules/peer/index.d.ts': 'export type P = Request',
  })
  expect(programOf('hello.ts').getSourceFile(peer)).toBeDefined()
})

it('files that were checked long ago are dropped', () => {
  const names = Array.from({ length: 5 }, (_, i) => `f${i}.ts`)
  const programOf = open(Object.fromEntries(names.map(name => [name, 'export const x = 1'])), 4)
  let last: ts.Program | undefined
  for (const name of names) last = programOf(name)
  expect(last!.getSourceFile(folder.path('f0.ts'))).toBeUndefined()
  expect(last!.getSourceFile(folder.path('f1.ts'))).toBeDefined()
})

it('a file that was checked before is checked by the same program as another one since', () => {
  const programOf = open({ 'b.ts': 'export const b = 1', 'a.ts': 'export const a = 1' })
  programOf('b.ts')
  const both = programOf('a.ts')
  expect(programOf('b.ts')).toBe(both)
  expect(programOf('a.ts')).toBe(both)
})

it('what an installed package imports is not looked for again because one more file is checked', () => {
  const programOf = open({
    ...LIBRARY,
    'a.ts': `import type { R } from 'library'\nexport const a = (r: R) => r`,
    'b.ts': `import type { R } from 'library'\nexport const b = (r: R) => r`,
  })
  const looked: string[] = []
  const { directoryExists } = ts.sys
  ts.sys.directoryExists = path => (looked.push(path), directoryExists(path))
  try {
    const timesLooked = (file: string) => {
      looked.length = 0
      programOf(file)
      return looked.filter(path => path.includes('node_modules/library/node_modules')).length
    }
    expect(timesLooked('a.ts')).toBeGreaterThan(0)
    expect(timesLooked('b.ts')).toBe(0)
  } finally {
    ts.sys.directoryExists = directoryExists
  }
})
