import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { languageContract } from '../testing/language-contract.ts'
import { NodeLanguage } from './node-language.ts'

const runtimeDir = fileURLToPath(new URL('../../../../runtime', import.meta.url))
const make = (cacheDir: string) => new NodeLanguage({ runtimeDir, cacheDir, environment: {} })

languageContract('node', {
  make,
  entry: 'src/hello.ts',
  files: {
    'src/hello.ts': `import { answer } from './answer.ts'\nexport const hello = (): Response => new Response(answer)\n`,
    'src/answer.ts': `export const answer = 'hello'\n`,
  },
  change: { 'src/answer.ts': `export const answer = 'other'\n` },
  broken: { files: { 'src/hello.ts': `\nexport const hello = 'no function'\n` }, line: 2 },
})

test('Node gets its memory limit where nothing else enforces it, and the port for a debugger', () => {
  const command = (needs: object) => make('').command({ folder: '/app', entry: 'hello.mjs' }, needs)
  expect(command({})).toEqual(['node', '/app/hello.mjs'])
  expect(command({ memoryMb: 64, debug: { host: '127.0.0.1', port: 4711 } })).toEqual([
    'node',
    '--max-old-space-size=64',
    '--inspect=127.0.0.1:4711',
    '/app/hello.mjs',
  ])
})
