/** A handler bundled by our builder, run as the process engine runs it. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENV } from '../../runtime/src/protocol/index.ts'
import { Builder } from '../../agent/src/languages/node/builder/index.ts'
import type { AdapterUse } from '../../agent/src/languages/node/checker/index.ts'
import { functionNode, runtimeDir } from './places.ts'
import type { Command } from './programs.ts'

export const ANSWER = 'Hello, World!\n'

export const HANDLERS = {
  node: `import type { IncomingMessage, ServerResponse } from 'node:http'
export function Hello(_request: IncomingMessage, response: ServerResponse): void {
  response.end(${JSON.stringify(ANSWER)})
}
`,
  web: `export function Hello(_request: Request): Response {
  return new Response(${JSON.stringify(ANSWER)})
}
`,
} as const

/** The same in plain Node: the baseline of all measurements. */
export function bareServer(host: string): string {
  return `require('node:http').createServer((request, response) => response.end(${JSON.stringify(ANSWER)})).listen(Number(process.env.PORT), ${JSON.stringify(host)})\n`
}

/** Returns the folder in an image, and the module in it to run. */
export async function buildFunction(
  folder: string,
  how: 'node' | 'web' | AdapterUse,
  source: string = typeof how === 'string' ? HANDLERS[how] : '',
): Promise<{ dir: string; entry: string }> {
  const name = createHash('sha256').update(source).digest('hex').slice(0, 8)
  const packageDir = join(folder, `hello-${name}`)
  const filePath = join(packageDir, 'main.ts')
  await mkdir(packageDir, { recursive: true })
  await writeFile(filePath, source)
  const builder = new Builder({ runtimeDir, cacheDir: join(folder, 'cache'), environment: process.env })
  try {
    const call = typeof how === 'string' ? { style: how } : { style: 'dialect' as const, adapter: how }
    const request = { name: 'Hello', exportName: 'Hello', rootDir: packageDir, packageDir, filePath, files: [] }
    const bundle = await builder.bundle({ ...request, ...call }, new AbortController().signal)
    return await bundle.write(join(folder, `built-${name}`))
  } finally {
    await builder.close()
  }
}

export function functionCommand(built: { dir: string; entry: string }, port: number): Command {
  return {
    command: functionNode,
    args: ['--max-old-space-size=256', join(built.dir, built.entry)],
    cwd: built.dir,
    env: { [ENV.name]: 'Hello', [ENV.host]: '127.0.0.1', [ENV.port]: String(port), [ENV.stampLogs]: '1' },
    url: `http://127.0.0.1:${port}/`,
  }
}
