/** A package in a temporary folder that is bundled and run as an engine would, for tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ENV, HEADERS } from '@ryo-faas/runtime/protocol'
import type { BundleRequest } from '../build.ts'

/** Of the runtime's sources, from which tests bundle it. */
export const RUNTIME_DIR = fileURLToPath(new URL('../../../../../../runtime/src', import.meta.url))

export interface TemporaryFolder {
  readonly dir: string
  path(file: string): string
  write(files: Readonly<Record<string, string>>, mode?: number): void
  remove(): void
}

export function temporaryFolder(files: Readonly<Record<string, string>> = {}): TemporaryFolder {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-build-')))
  const folder: TemporaryFolder = {
    dir,
    path: file => join(dir, file),
    write(more, mode) {
      for (const [path, text] of Object.entries(more)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true })
        writeFileSync(join(dir, path), text)
        if (mode !== undefined) chmodSync(join(dir, path), mode)
      }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
  folder.write(files)
  return folder
}

export function requestFor(packageDir: string, more: Partial<BundleRequest> = {}): BundleRequest {
  const filePath = join(packageDir, 'hello.ts')
  return {
    name: 'hello',
    exportName: 'hello',
    style: 'web',
    rootDir: packageDir,
    packageDir,
    filePath,
    files: [],
    ...more,
  } as BundleRequest
}

/** Paths of all files below a folder, in order. */
export const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()

export interface RunningFunction extends AsyncDisposable {
  readonly url: string
  get(path?: string): Promise<string>
  /** Its stderr so far. */
  errors(): string
}

/** What the platform sends with events. */
export const DELIVERED = { [HEADERS.delivery]: 'delivery-token-of-the-tests' } as const

/** Starts the module as an instance; rejects with its output if it ends before it is ready. */
export async function runFunction(module: string): Promise<RunningFunction> {
  const folder = mkdtempSync(join(tmpdir(), 'ryo-faas-run-'))
  const readyFile = join(folder, 'ready')
  const child = spawn(process.execPath, [module], {
    cwd: dirname(module),
    env: {
      PATH: process.env['PATH'],
      [ENV.port]: '0',
      [ENV.host]: '127.0.0.1',
      [ENV.readyFile]: readyFile,
      [ENV.deliveryToken]: DELIVERED[HEADERS.delivery],
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'close')
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk))
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null) {
      await stop()
      throw new Error(`exited with ${child.exitCode}: ${errors}`)
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  const { port } = JSON.parse(readFileSync(readyFile, 'utf8')) as { port: number }
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    get: async (path = '/') => (await fetch(`${url}${path}`)).text(),
    errors: () => errors,
    [Symbol.asyncDispose]: stop,
  }
}
