import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadProblem } from './load-problem.ts'

let folder: string
let packageDir: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-load-'))
  packageDir = join(folder, 'package')
  await mkdir(join(packageDir, 'src'), { recursive: true })
  await writeFile(join(packageDir, 'src', 'hello.ts'), '')
  await writeFile(join(folder, 'shared.ts'), '')
})
afterAll(() => rm(folder, { recursive: true }))

const problemIn = (text: string, codeFolder = '/app') => loadProblem(text.split('\n'), { codeFolder, packageDir })

test('an error thrown while a module loads is a problem at its line', () => {
  const text = `Error: only a warning
    at <anonymous> (/app/src/hello.ts:8:8)
undefined:1
foo
 ^

SyntaxError: Unexpected token 'o', "foo" is not valid JSON
    at JSON.parse (<anonymous>)
    at parse (/app/node_modules/some/index.js:3:4)
    at <anonymous> (/app/src/hello.ts:1:21)
    at ModuleJob.run (node:internal/modules/esm/module_job:430:25) {
  [cause]: Error: inner
      at <anonymous> (/app/src/hello.ts:9:9)
}

Node.js v24.0.0`
  expect(problemIn(text)).toEqual({
    code: 'load-failed',
    message: `SyntaxError: Unexpected token 'o', "foo" is not valid JSON`,
    file: join(packageDir, 'src', 'hello.ts'),
    line: 1,
    column: 21,
  })
})

test('the main function of a service, and files outside the package, are found as well', () => {
  const text = `shop could not start: Error: no database\n    at connect (${folder}/built/../shared.ts:7:9)\n    at async start`
  expect(problemIn(text.replace('built/../', ''), join(folder, 'built'))).toMatchObject({
    message: 'Error: no database',
    file: join(folder, 'shared.ts'),
    line: 7,
  })
  expect(problemIn('TypeError: x\n    at file:///app/src/hello.ts:2:1\n\nNode.js v24.0.0')).toMatchObject({ line: 2 })
})

test('there is no problem without a fatal error, or without a frame of the user', () => {
  expect(problemIn('Error: logged and survived\n    at <anonymous> (/app/src/hello.ts:8:8)')).toBeUndefined()
  expect(problemIn('leaving')).toBeUndefined()
  expect(
    problemIn('Error: lost\n    at node:internal/process:1:1\n    at /app/bundle.mjs:3:1\n\nNode.js v24.0.0'),
  ).toBeUndefined()
  expect(problemIn('')).toBeUndefined()
})

test('a package that misses a file or another package beside the bundle can be taken along', async () => {
  await mkdir(join(packageDir, 'node_modules', '@acme', 'dom'), { recursive: true })
  await writeFile(join(packageDir, 'node_modules', '@acme', 'dom', 'package.json'), '{}')
  const missing = (message: string, frame = '/app/node_modules/@acme/dom/index.js') =>
    problemIn(`Error: ${message}\n    at load (${frame}:3:4)\n\nNode.js v24.0.0`)
  const hint = expect.stringContaining('"unbundled": ["@acme/dom"]')
  const noEntry = `ENOENT: no such file or directory, open '/app/node_modules/@acme/dom/style.css'`
  expect(missing(noEntry)).toBeUndefined()
  await writeFile(join(packageDir, 'package.json'), '{}')
  expect(missing(noEntry)).toMatchObject({ file: join(packageDir, 'package.json'), line: 1, hint })
  expect(missing(`Cannot find module '@acme/dom'`, '/app/src/hello.ts')).toMatchObject({
    file: join(packageDir, 'src', 'hello.ts'),
    line: 3,
    hint,
  })
  expect(missing(`Cannot find module 'not-installed'`, '/app/src/hello.ts')).not.toHaveProperty('hint')
})
