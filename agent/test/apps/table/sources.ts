/** What the sources of an application do: ways to import, to name files, and settings of the compiler. */
import { web, type App } from '../app.ts'

export const SOURCES: App[] = [
  {
    name: 'tsconfig paths, #imports, .js for .ts',
    manifest: { imports: { '#three': './lib/three.ts' } },
    files: {
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          target: 'ES2022',
          module: 'ESNext',
          moduleResolution: 'bundler',
          baseUrl: '.',
          paths: { '@lib/*': ['./lib/*'] },
        },
      }),
      'lib/one.ts': 'export const one = 1\n',
      'lib/two.ts': 'export const two = 2\n',
      'lib/three.ts': 'export const three = 3\n',
      'lib/four.ts': 'export const four = 4\n',
      'hello.ts': web(
        'one + two + three + four',
        `import { one } from '@lib/one'\nimport { two } from 'lib/two'\nimport { three } from '#three'\nimport { four } from './lib/four.js'`,
      ),
    },
    calls: [{ answer: '10' }],
  },
  {
    name: 'enums, namespaces, .mts, using, node:sqlite',
    files: {
      'other.mts': `export enum Color { Red = 'red' }\nexport namespace Names { export const one = 'one' }\n`,
      'hello.ts': `import { DatabaseSync } from 'node:sqlite'
import { Color, Names } from './other.mts'
export function hello(): Response {
  const closed: string[] = []
  { using _thing = { [Symbol.dispose]: () => closed.push('closed') } }
  const db = new DatabaseSync(':memory:')
  const row = db.prepare('select 2 as two').get() as { two: number }
  return Response.json([Color.Red, Names.one, row.two, closed[0]])
}
`,
    },
    calls: [{ answer: '["red","one",2,"closed"]' }],
  },
  {
    name: 'JSON imports',
    manifest: { version: '1.2.3' },
    files: {
      'data/some.json': '{ "name": "some" }',
      'src/hello.ts': web(
        'some.name + manifest.version',
        `import manifest from '../package.json'\nimport some from '../data/some.json' with { type: 'json' }`,
      ),
    },
    deploy: [{ name: 'hello', filePath: './src/hello.ts' }],
    calls: [{ answer: 'some1.2.3' }],
  },
  {
    name: 'files beside the code, workers, dynamic imports',
    files: {
      'text.txt': 'text',
      'legacy.cts': `import fs = require('node:fs')\nexport = { text: fs.readFileSync(__dirname + '/text.txt', 'utf8') }\n`,
      'worker.ts': `import { parentPort } from 'node:worker_threads'\nparentPort!.postMessage('worker')\n`,
      'parts/a.ts': `export const name = 'part a'\n`,
      'parts/b.ts': `export const name = 'part b'\n`,
      'hello.ts': `import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import legacy from './legacy.cts'
export async function hello(request: Request): Promise<Response> {
  const part = new URL(request.url).searchParams.get('part') ?? 'a'
  const { name } = (await import(\`./parts/\${part}.ts\`)) as { name: string }
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  const [message] = (await once(worker, 'message')) as [string]
  return Response.json([readFileSync(new URL('./text.txt', import.meta.url), 'utf8'), legacy.text, message, name])
}
`,
    },
    calls: [{ path: '/functions/hello?part=b', answer: '["text","text","worker","part b"]' }],
  },
  {
    name: 'reads relative to the working directory',
    files: {
      'templates/page.txt': 'page',
      'src/hello.ts': web(`readFileSync('templates/page.txt', 'utf8')`, `import { readFileSync } from 'node:fs'`),
    },
    deploy: [{ name: 'hello', filePath: './src/hello.ts' }],
    calls: [{ answer: 'page' }],
  },
  {
    name: 'reads relative to the project, from a package below it',
    files: {
      'src/templates/page.txt': 'page',
      'src/hello.ts': web(`readFileSync('src/templates/page.txt', 'utf8')`, `import { readFileSync } from 'node:fs'`),
    },
    deploy: [{ name: 'hello', packageDir: './src', filePath: './src/hello.ts' }],
    notes: /src\/templates\/page\.txt[^]*packageDir/,
    calls: [{ status: 500, answer: /./ }],
  },
  {
    name: 'require.resolve of a package.json',
    dependencies: { 'is-odd': '3' },
    files: {
      'hello.ts': web(
        `JSON.parse(readFileSync(require.resolve('is-odd/package.json'), 'utf8')).name`,
        `import { readFileSync } from 'node:fs'\nimport { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)`,
      ),
    },
    calls: [{ answer: 'is-odd' }],
  },
  {
    name: 'imports of .sql, .graphql, .html, .txt, .wasm',
    files: {
      'types.d.ts': ['sql', 'graphql', 'html', 'txt']
        .map(ending => `declare module '*.${ending}' { const text: string; export default text }\n`)
        .concat(`declare module '*.wasm' { const bytes: Uint8Array; export default bytes }\n`)
        .join(''),
      'a.sql': 'select 1',
      'a.graphql': 'query { a }',
      'a.html': '<p>a</p>',
      'a.txt': 'text',
      'a.wasm': '\0asm\u0001\0\0\0',
      'hello.ts': web(
        `[sql, graphql, html, txt, WebAssembly.validate(wasm as BufferSource)].join('|')`,
        ['sql', 'graphql', 'html', 'txt', 'wasm'].map(ending => `import ${ending} from './a.${ending}'`).join('\n'),
      ),
    },
    calls: [{ answer: 'select 1|query { a }|<p>a</p>|text|true' }],
  },
  ...(['react-jsx', 'preserve'] as const).map((jsx): App => ({
    name: `JSX ${jsx}`,
    dependencies: { react: '19', 'react-dom': '19', '@types/react': '19', '@types/react-dom': '19' },
    files: {
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          target: 'ES2022',
          module: 'ESNext',
          moduleResolution: 'bundler',
          jsx,
          lib: ['ES2023', 'DOM'],
        },
      }),
      'hello.tsx': web('renderToString(<p>ok</p>)', `import { renderToString } from 'react-dom/server'`),
    },
    deploy: [{ name: 'hello', filePath: './hello.tsx' }],
    calls: [{ answer: '<p>ok</p>' }],
  })),
  {
    name: 'top-level await',
    files: { 'hello.ts': web('answer', `const answer = await Promise.resolve('ok')`) },
  },
  {
    name: 'CommonJS exports',
    manifest: { type: 'commonjs' },
    files: { 'hello.js': `exports.hello = (request, response) => response.end('ok')\n` },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
  },
  {
    name: 'plain JavaScript',
    files: { 'hello.js': `export const hello = (request, response) => { response.end('ok') }\n` },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
  },
]
