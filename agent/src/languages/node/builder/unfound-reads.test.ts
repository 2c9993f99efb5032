import { afterEach, expect, it } from 'vitest'
import { packageFiles } from '../../building/index.ts'
import { temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'
import { unfoundReads } from './unfound-reads.ts'

let made: TemporaryFolder
afterEach(() => made.remove())

it('a path that is one in the project, but not in the package, is noted with the way out', async () => {
  made = temporaryFolder({
    'package.json': '{}',
    'src/templates/page.txt': '',
    'src/hello.ts': `readFileSync('src/templates/page.txt'); readFileSync('./templates/page.txt'); import 'src/other.ts'; readFileSync('no/such.txt')`,
    'src/other.ts': '',
  })
  const packageDir = made.path('src')
  const { files } = await packageFiles(packageDir)
  const notes = await unfoundReads({ packageDir, rootDir: made.dir }, files, files)
  expect(notes).toEqual([
    'hello.ts names src/templates/page.txt, which is not there at run time: the working directory is packageDir (src). Read it by new URL(…, import.meta.url), or set packageDir to a folder that contains it',
  ])
})

it('a hidden file is noted unless it is included; .env is not a file to read', async () => {
  made = temporaryFolder({
    'rules/.hidden.json': '{}',
    '.included': '',
    '.env': '',
    'hello.ts': `read('rules/.hidden.json', '.included', '.env', '.absent')`,
  })
  const { files } = await packageFiles(made.dir)
  const included = { ...files[0]!, path: '.included' }
  expect(await unfoundReads({ packageDir: made.dir, rootDir: made.dir }, files, [included])).toEqual([
    'hello.ts names rules/.hidden.json, a hidden file, which is not included: add it to "files" in deploy.json',
  ])
})
