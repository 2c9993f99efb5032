import { mkdirSync, symlinkSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { InstalledPackages } from './installed-packages.ts'
import { ReadableFolders } from './readable-folders.ts'
import { temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'
import { UnbundledPackages } from './unbundled-packages.ts'

const folders: TemporaryFolder[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

function folder(files: Record<string, string>): TemporaryFolder {
  const made = temporaryFolder(files)
  folders.push(made)
  return made
}

it('packages of a project with nothing but a lock file are taken from where they were installed, its own from the project', () => {
  const project = folder({
    'package.json': '{ "workspaces": ["packages/*"] }',
    'packages/app/package.json': '{ "name": "app" }',
    'packages/views/package.json': '{ "name": "@acme/views", "dependencies": { "engine": "1" } }',
  })
  const cache = folder({
    'packages/views/package.json': '{ "name": "@acme/views" }',
    'packages/views/node_modules/engine/package.json': '{ "name": "engine", "dependencies": { "words": "1" } }',
    'node_modules/words/package.json': '{ "name": "words" }',
  })
  mkdirSync(cache.path('node_modules/@acme'))
  symlinkSync(cache.path('packages/views'), cache.path('node_modules/@acme/views'))
  const packageDir = project.path('packages/app')
  const installed = new InstalledPackages(cache.dir, project.dir, ['packages/app', 'packages/views'])
  const readable = new ReadableFolders(packageDir, cache.dir)
  const unbundled = new UnbundledPackages({
    rootDir: packageDir,
    packageDir,
    asked: ['@acme/views'],
    installed,
    readable,
    shared: new Map(),
  })
  expect(unbundled.place(new Set())).toMatchObject([
    { name: '@acme/views', folder: project.path('packages/views'), at: 'node_modules/@acme/views' },
    { name: 'engine', folder: cache.path('packages/views/node_modules/engine'), at: 'node_modules/engine' },
    { name: 'words', folder: cache.path('node_modules/words'), neededBy: 'engine' },
  ])
})
