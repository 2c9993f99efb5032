/**
 * Builds functions in Go: hashes what a program is made of, and lets `go` link it when a version is written. The user's
 * folder is only read: the generated main, and a go.mod that knows our runtime, reach `go` as an overlay.
 */
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { rootCertificates } from 'node:tls'
import { RyoFaasError, type Problem } from '../../contract/index.ts'
import type { Bundle, BundleOptions, FunctionSource, WrittenBundle } from '../language.ts'
import {
  Digests,
  globbedFiles,
  isReadAtRunTime,
  packageFiles,
  writeVersionFolder,
  type TakenFile,
} from '../building/index.ts'
import type { GoProgram } from './check-program.ts'
import type { Go, GoToolchain } from './go-toolchain.ts'

/** Part of every hash: increase it when the same input must give a different app. */
const FORMAT = 1
const FOR_GO = /(?:\.go|(?:^|\/)go\.(?:mod|sum|work|work\.sum))$|^vendor\//
/** For https from an image that has no authorities of its own. */
const CERTIFICATES = 'certificates.pem'

export class GoBuilder {
  readonly #toolchain: GoToolchain
  readonly #digests = new Digests()

  constructor(toolchain: GoToolchain) {
    this.#toolchain = toolchain
  }

  async bundle(
    source: FunctionSource,
    program: GoProgram,
    { signal, isForDebugger = false }: BundleOptions & { signal: AbortSignal },
  ): Promise<Bundle> {
    const stop = () => {
      if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${source.name} was cancelled`)
    }
    stop()
    const go = await this.#toolchain.find()
    const [own, globbed] = await Promise.all([
      packageFiles(source.packageDir),
      globbedFiles(source.packageDir, source.files),
    ])
    const read = own.files.filter(file => isReadAtRunTime(file) && !FOR_GO.test(file.path))
    const taken = [...new Map([...read, ...globbed.files].map(file => [file.path, file])).values()].sort(byPath)
    const plain = await this.#hash(go, program, taken)
    const hash = isForDebugger ? createHash('sha256').update(`debug ${plain}`).digest('hex').slice(0, 16) : plain
    stop()
    const sources = own.files.filter(file => FOR_GO.test(file.path) && !file.path.startsWith('vendor/'))
    const folders = [...new Set(program.files.map(dirname))].filter(folder => !isInside(source.packageDir, folder))
    return {
      hash,
      notes: [...own.notes, ...globbed.notes],
      ...(folders.length > 0 && { folders }),
      write: versionDir => this.#write(versionDir, { source, go, program, taken, sources, signal, isForDebugger }),
    }
  }

  /** Nothing in it depends on where the folder is. */
  async #hash(
    go: Go,
    { module, package: main, overlay, files, vendor }: GoProgram,
    taken: TakenFile[],
  ): Promise<string> {
    const parts: unknown[] = [FORMAT, go.version, go.system, go.runtimeHash, main]
    for (const [path, content] of Object.entries(overlay).sort()) {
      parts.push([relative(module, path), content.replaceAll(this.#toolchain.runtime, '')])
    }
    const sums = [join(module, 'go.sum'), ...(vendor === undefined ? [] : await filesBelow(vendor))]
    for (const path of [...files, ...sums]) {
      const digest = await this.#digestOf(path)
      if (digest !== undefined) parts.push([relative(module, path), digest])
    }
    for (const file of taken) parts.push([file.path, file.executable, await this.#digests.of(file)])
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
  }

  async #digestOf(source: string): Promise<string | undefined> {
    const status = await lstat(source).catch(() => undefined)
    if (!status?.isFile()) return undefined
    return this.#digests.of({ path: source, source, executable: false, size: status.size, mtimeMs: status.mtimeMs })
  }

  async #write(versionDir: string, what: Writing): Promise<WrittenBundle> {
    const { source, program, taken, sources } = what
    const entry = source.name.toLowerCase()
    const unfinished = await mkdtemp(join(tmpdir(), 'rfa-go-'))
    try {
      const binary = join(unfinished, 'program')
      await this.#build(unfinished, binary, what)
      await writeVersionFolder(versionDir, {
        written: new Map([[CERTIFICATES, rootCertificates.join('\n')]]),
        taken: taken.filter(({ path }) => path !== entry && path !== CERTIFICATES),
        sources,
        entrySource: { name: `exported_${entry}.go`, text: program.main },
      })
      await place(binary, join(versionDir, 'app', entry))
      return { dir: join(versionDir, 'app'), entry }
    } finally {
      await rm(unfinished, { recursive: true, force: true })
    }
  }

  async #build(folder: string, binary: string, { source, go, program, signal, isForDebugger }: Writing): Promise<void> {
    const replace: Record<string, string> = {}
    for (const [path, content] of Object.entries(program.overlay)) {
      const file = join(folder, String(Object.keys(replace).length))
      await writeFile(file, content)
      replace[path] = file
    }
    const overlay = join(folder, 'overlay.json')
    await writeFile(overlay, JSON.stringify({ Replace: replace }))
    // A debugger needs lines, variables, and the paths of the user's own files.
    const kind = isForDebugger ? ['-gcflags=all=-N -l'] : ['-trimpath', '-ldflags=-s -w']
    const flags = ['-mod=mod', '-overlay', overlay, '-buildvcs=false', ...kind, '-o', binary]
    const cwd = program.module
    const outcome = await this.#toolchain.run(go.program, ['build', ...flags, program.package], {
      cwd,
      system: go.system,
      signal,
    })
    if (outcome.kind === 'done') return
    const problems = compilerProblems(outcome.output, cwd)
    throw new RyoFaasError(
      'BUILD_FAILED',
      `${source.name} could not be built: ${problems.length > 0 ? count(problems) : outcome.output.trim()}`,
      {
        ...(problems.length > 0 && { problems }),
      },
    )
  }
}

interface Writing {
  source: FunctionSource
  go: Go
  program: GoProgram
  taken: TakenFile[]
  sources: TakenFile[]
  signal: AbortSignal
  isForDebugger: boolean
}

/** `./hello.go:5:2: undefined: x` */
export function compilerProblems(output: string, folder: string): Problem[] {
  return output.split('\n').flatMap(line => {
    const [, file, at, column, message] = /^(\S[^:]*\.go):(\d+)(?::(\d+))?: (.+)$/.exec(line) ?? []
    if (file === undefined || message === undefined) return []
    return [{ code: 'type-error', message, file: resolve(folder, file), line: Number(at), column: Number(column ?? 1) }]
  })
}

function count({ length }: Problem[]): string {
  return length === 1 ? '1 error' : `${length} errors`
}

/** Another file system may hold the temporary folder. */
async function place(from: string, to: string): Promise<void> {
  const unfinished = `${to}.tmp`
  await mkdir(dirname(to), { recursive: true })
  await rename(from, to).catch(async () => {
    const { copyFile } = await import('node:fs/promises')
    await copyFile(from, unfinished)
    await rename(unfinished, to)
  })
  await chmod(to, 0o755)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}

function byPath(a: TakenFile, b: TakenFile): number {
  return a.path < b.path ? -1 : 1
}
