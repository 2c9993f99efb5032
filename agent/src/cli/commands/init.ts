import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { deployFileJsonSchema, RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { copyRuntime, RUNTIME } from './types.ts'

/** A copy, so that editors complete and check deploy.json without the network. */
const SCHEMA = '.ryo-faas/deploy.schema.json'

export const init: Command = {
  usage: 'init [dir]',
  describe: 'Create a new project, ready to deploy',
  place: 'here',
  options: yargs => yargs.positional('dir', { type: 'string', default: '.', describe: 'Folder (created if missing)' }),
  run: async (args, context) => {
    const { cwd, output } = context
    const folder = resolve(cwd, String(args['dir']))
    const { files } = await createProject(folder, context)
    output.value({ folder, files })
    output.line(`created ${files.join(', ')} in ${folder}`)
    const place = relative(cwd, folder)
    output.line(`next: ryo-faas dev ${place}`.trimEnd())
    output.line(`      ${place === '' ? '' : `cd ${place} && `}npm install && npm test`)
  },
}

/** @throws RyoFaasError INVALID_OPTION if the folder already contains a part of it, or cannot be written */
export async function createProject(folder: string, context: Context): Promise<{ files: string[] }> {
  const existing: string[] = await readdir(folder).catch(() => [])
  const files = template(basename(folder))
  const taken = Object.keys(files).filter(name => existing.includes(name.split('/')[0]!))
  if (taken.length > 0) {
    throw new RyoFaasError('INVALID_OPTION', `${folder} already contains ${taken.join(', ')}`, {
      hint: 'Choose an empty folder: ryo-faas init my-functions. In a project, ryo-faas types renews its copy of @ryo-faas/runtime.',
    })
  }
  await writeProject(folder, { ...files, [SCHEMA]: json(deployFileJsonSchema()) })
  await copyRuntime(folder, context)
  return { files: Object.keys(files) }
}

/**
 * @throws RyoFaasError INVALID_OPTION if files cannot be written there: a file is in the way, or it is another user's.
 */
async function writeProject(folder: string, files: Record<string, string>): Promise<void> {
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(folder, name, '..'), { recursive: true })
      await writeFile(join(folder, name), content)
    }
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `cannot create a project in ${folder}: ${(error as Error).message}`, {
      hint: 'Choose another folder: ryo-faas init my-functions',
      cause: error,
    })
  }
}

function template(name: string): Record<string, string> {
  return {
    'deploy.json': `{
  "$schema": "./${SCHEMA}",
  // One entry for each function; docs/reference/deploy-json.md of ryo-faas has every field.
  "deploy": [
    { "name": "hello", "packageDir": "./src", "filePath": "./src/hello.ts" },
  ],
}
`,
    'src/hello.ts': `import { context } from '@ryo-faas/runtime'

export async function hello(request: Request): Promise<Response> {
  const name = new URL(request.url).searchParams.get('name') ?? 'World'
  context().log.info('greeting', name)
  return new Response(\`Hello, \${name}!\\n\`)
}
`,
    'src/hello.test.ts': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testFunction } from '@ryo-faas/runtime/testing'
import { hello } from './hello.ts'

test('greets by name', async () => {
  const app = await testFunction(hello)
  const response = await app.request('/?name=you')
  assert.equal(response.status, 200)
  assert.equal(await response.text(), 'Hello, you!\\n')
})
`,
    'src/hello.http': `### Greets by name: run it with "ryo-faas test", or in the editor
GET {{url}}/functions/hello?name=you
`,
    'package.json': json({
      name: name.toLowerCase().replace(/[^a-z0-9-]/g, '-'),
      private: true,
      type: 'module',
      // tsx, because Node 20 does not run TypeScript; the files are named, because its test runner takes no patterns.
      scripts: { test: 'tsx --test src/*.test.ts', check: 'tsc' },
      devDependencies: {
        '@ryo-faas/runtime': `file:${RUNTIME}`,
        '@types/node': '^20.19.0',
        tsx: '^4.20.0',
        typescript: '^5.9.0',
      },
    }),
    // The types are part of the project, so the editor finds them without anything being installed.
    'tsconfig.json': json({
      compilerOptions: {
        target: 'ES2023',
        lib: ['ES2023', 'DOM', 'DOM.Iterable'],
        module: 'ESNext',
        moduleResolution: 'bundler',
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        allowImportingTsExtensions: true,
        types: ['node'],
        paths: {
          '@ryo-faas/runtime': [`./${RUNTIME}/dist/index`],
          '@ryo-faas/runtime/testing': [`./${RUNTIME}/dist/kit/index`],
          '@ryo-faas/runtime/config': [`./${RUNTIME}/dist/config`],
        },
      },
      include: ['src'],
    }),
    '.gitignore': 'node_modules/\n',
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2) + '\n'
}
