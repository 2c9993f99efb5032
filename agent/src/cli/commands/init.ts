import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { writeTypes } from './types.ts'

export const init: Command = {
  usage: 'init [dir]',
  describe: 'Create a new project, ready to deploy',
  options: yargs => yargs.positional('dir', { type: 'string', default: '.', describe: 'Folder (created if missing)' }),
  run: async (args, context) => {
    const { cwd, output } = context
    const folder = resolve(cwd, String(args['dir']))
    const { files } = await createProject(folder, context)
    output.value({ folder, files })
    output.line(`created ${files.join(', ')} in ${folder}`)
    output.line(`next: ryo-faas dev ${relative(cwd, folder) || ''}`.trimEnd())
  },
}

/** @throws RyoFaasError INVALID_OPTION if the folder already contains a part of it, or cannot be written */
export async function createProject(folder: string, context: Context): Promise<{ files: string[] }> {
  const existing: string[] = await readdir(folder).catch(() => [])
  const files = template(basename(folder))
  const taken = Object.keys(files).filter(name => existing.includes(name.split('/')[0]!))
  if (taken.length > 0) {
    throw new RyoFaasError('INVALID_OPTION', `${folder} already contains ${taken.join(', ')}`, {
      hint: 'Choose an empty folder: ryo-faas init my-functions. In a project, ryo-faas types restores the types.',
    })
  }
  await writeProject(folder, files)
  await writeTypes(folder, context)
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
  const json = (value: unknown) => JSON.stringify(value, null, 2) + '\n'
  return {
    'deploy.json': `{
  // One entry for each function; see the README of ryo-faas for every field.
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
    'package.json': json({ name: name.toLowerCase().replace(/[^a-z0-9-]/g, '-'), private: true, type: 'module' }),
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
        types: [],
        paths: { '@ryo-faas/runtime': ['./.ryo-faas/types/index.d.ts'] },
      },
      include: ['src'],
    }),
    '.gitignore': 'node_modules/\n.ryo-faas/\n',
  }
}
