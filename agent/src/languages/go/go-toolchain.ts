/**
 * The user's `go`, run offline and with our settings only: neither his `go env` nor a package decides what it runs, and
 * it downloads nothing. Its build cache is kept: what was compiled once is not compiled again.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'

export interface GoToolchainOptions {
  /** Folder of the package `@ryo-faas/runtime`; the Go module is in its folder `go`. */
  runtimeDir: string
  cacheDir: string
  /** Environment of the agent; `go` gets only what it needs. */
  environment: NodeJS.ProcessEnv
  /** Where functions run. */
  surroundings?: () => Promise<{ system?: string }>
}

export interface GoRun {
  cwd: string
  /** Of what is built; default: this machine's. */
  system?: string | undefined
  input?: string
  signal?: AbortSignal
}

export type GoOutcome = { kind: 'done'; output: string } | { kind: 'failed'; output: string }

/** Where `go` is, and what it was asked once. */
export interface Go {
  program: string
  /** Such as `go version go1.24.4 linux/amd64`. */
  version: string
  /** Where functions run, if that may be another system than this one. */
  system: string | undefined
  /** Over the sources of the runtime. */
  runtimeHash: string
  /** Our program that checks functions. */
  checker: string
}

const MAX_OUTPUT = 64 * 1024 * 1024

export class GoToolchain {
  /** Folder of the module that functions are built with. */
  readonly runtime: string
  /** Of ours, next to the build cache. */
  readonly cache: string
  readonly #buildCache: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #surroundings: NonNullable<GoToolchainOptions['surroundings']>
  #found: Promise<Go> | undefined

  constructor({ runtimeDir, cacheDir, environment, surroundings }: GoToolchainOptions) {
    this.#surroundings = surroundings ?? (() => Promise.resolve({}))
    this.runtime = join(runtimeDir, 'go')
    this.#environment = environment
    this.#buildCache = environment['GOCACHE'] || join(cacheDir, 'go')
    this.cache = join(this.#buildCache, 'ryo-faas')
  }

  /** @throws RyoFaasError UNSUPPORTED if there is none */
  find(): Promise<Go> {
    return (this.#found ??= this.#find().catch((error: unknown) => {
      // It may be installed by the next time.
      this.#found = undefined
      throw error
    }))
  }

  async run(program: string, args: readonly string[], { cwd, system, input, signal }: GoRun): Promise<GoOutcome> {
    return new Promise((resolve, reject) => {
      const options = { cwd, env: this.#goEnvironment(system), maxBuffer: MAX_OUTPUT, ...(signal && { signal }) }
      const child = execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) resolve({ kind: 'done', output: stdout })
        else if (signal?.aborted) reject(new RyoFaasError('CANCELLED', 'the build was cancelled', { cause: error }))
        else if (typeof error.code === 'number') resolve({ kind: 'failed', output: `${stdout}${stderr}` })
        else reject(new RyoFaasError('INTERNAL', `cannot run ${program}: ${error.message}`, { cause: error }))
      })
      child.stdin?.on('error', () => undefined) // It ended before it read everything; its outcome says why.
      child.stdin?.end(input ?? '')
    })
  }

  async #find(): Promise<Go> {
    const program = await this.#locate()
    await mkdir(this.cache, { recursive: true })
    const cwd = this.runtime
    const [version, runtimeHash] = await Promise.all([this.run(program, ['version'], { cwd }), hashOf(this.runtime)])
    const { system } = await this.#surroundings()
    const known = { program, version: version.output.trim(), system, runtimeHash }
    return { ...known, checker: await this.#buildChecker(known) }
  }

  /** Once for each version of Go and of ours. */
  async #buildChecker({ program, version, runtimeHash }: Omit<Go, 'checker'>): Promise<string> {
    const name = createHash('sha256').update(`${version}\0${runtimeHash}`).digest('hex').slice(0, 16)
    const checker = join(this.cache, `check-${name}`)
    if (await isProgram(checker)) return checker
    const unfinished = `${checker}.${process.pid}`
    const args = ['build', '-trimpath', '-buildvcs=false', '-o', unfinished, './cmd/check']
    const built = await this.run(program, args, { cwd: this.runtime })
    if (built.kind === 'failed') {
      await rm(unfinished, { force: true })
      throw new RyoFaasError('UNSUPPORTED', `${version} cannot build the checker: ${built.output.trim()}`, {
        hint: 'Functions in Go need Go 1.22 or newer.',
      })
    }
    await rename(unfinished, checker)
    return checker
  }

  async #locate(): Promise<string> {
    const { PATH = '', GOROOT } = this.#environment
    const folders = [...(GOROOT ? [join(GOROOT, 'bin')] : []), ...PATH.split(delimiter), '/usr/local/go/bin']
    for (const folder of folders.filter(Boolean)) {
      const program = join(folder, process.platform === 'win32' ? 'go.exe' : 'go')
      if (await isProgram(program)) return program
    }
    throw new RyoFaasError('UNSUPPORTED', 'functions in Go need the program "go", which was not found', {
      hint: 'Install it: "apt-get install golang-go", "brew install go", or https://go.dev/dl; then try again.',
    })
  }

  #goEnvironment(system: string | undefined): NodeJS.ProcessEnv {
    const { PATH, HOME = homedir(), GOPATH, GOMODCACHE, GOROOT, TMPDIR, SystemRoot, USERPROFILE } = this.#environment
    const kept = { PATH, HOME, GOPATH, GOMODCACHE, GOROOT, TMPDIR, SystemRoot, USERPROFILE }
    return {
      ...Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
      GOCACHE: this.#buildCache,
      ...(system !== undefined && { GOOS: system }),
      CGO_ENABLED: '0',
      GOENV: 'off',
      GOFLAGS: '',
      GOPROXY: 'off',
      GOSUMDB: 'off',
      GOTELEMETRY: 'off',
      GOTOOLCHAIN: 'local',
      GOWORK: 'off',
    }
  }
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function hashOf(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter(name => /\.(?:go|mod)$/.test(name)).sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(`${name}\0`).update(await readFile(join(folder, name)))
  return hash.digest('hex')
}
