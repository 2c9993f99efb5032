/** One language without a platform: packages that it checks and builds, and its instances as processes. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import type { CheckOutcome, FunctionSource, Language, WrittenBundle } from '../../src/languages/index.ts'

export const never = new AbortController().signal

/** What is checked is the first file, unless another is named. */
export type Wanted = Partial<Omit<FunctionSource, 'filePath'>> & { file?: string }

export interface BuiltCode extends WrittenBundle {
  base: string | undefined
}

export interface LanguageBench<L extends Language = Language> {
  language: L
  path(name: string): string
  /** Writes a package. */
  check(files: Record<string, string>, wanted?: Wanted): Promise<CheckOutcome>
  /** Builds what was accepted. @param name of a folder that is not there yet */
  build(outcome: CheckOutcome, name: string): Promise<BuiltCode>
  /** Closed, and its instances gone, after all tests. @param home name of a folder */
  engine(home: string): ProcessEngine
  /** Returns its URL. */
  start(engine: ProcessEngine, code: BuiltCode, as?: { id?: string; env?: Record<string, string> }): Promise<string>
}

/**
 * @param make the language; `folder` is there until all tests are over
 * @param name of functions that have no other
 */
export function useLanguage<L extends Language>(name: string, make: (folder: string) => L): LanguageBench<L> {
  let folder: string
  let packages = 0
  const engines: ProcessEngine[] = []
  const bench = {
    path: path => join(folder, path),
    async check(files, { file = Object.keys(files)[0]!, ...wanted } = {}) {
      const rootDir = bench.path(String(++packages))
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(rootDir, path)), { recursive: true })
        await writeFile(join(rootDir, path), content)
      }
      const place = { rootDir, packageDir: rootDir, filePath: join(rootDir, file) }
      const [outcome] = await bench.language.check([{ name, kind: 'http', files: [], ...place, ...wanted }])
      return outcome!
    },
    async build(outcome, into) {
      if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
      return { ...(await (await outcome.bundle(never)).write(bench.path(into))), base: outcome.base }
    },
    engine(home) {
      const engine = new ProcessEngine({
        ...{ project: 'rfat', home: bench.path(home), nodePath: process.execPath, note: '' },
        baseEnv: { PATH: process.env['PATH'] ?? '' },
      })
      engines.push(engine)
      return engine
    },
    async start(engine, { dir, entry, base }, { id = 'aa', env = {} } = {}) {
      const limits = { memoryMb: 256, cpus: 1, pids: 64 }
      const command = bench.language.command({ folder: dir, entry, base }, engine.commandNeeds({ limits }))
      const spec = { id, route: 'hello', version: 1, image: dir, command, secrets: {}, limits }
      const { state } = await engine.start({ ...spec, env: { ...env, RYO_FAAS_INSTANCE: id } }, never)
      if (state.kind === 'exited') throw new Error(state.reason)
      return `http://${state.address.host}:${state.address.port}`
    },
  } as LanguageBench<L>
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'rfa-language-test-')))
    bench.language = make(folder)
  })
  afterAll(async () => {
    for (const engine of engines) {
      await engine.cleanUp()
      await engine.close()
    }
    await rm(folder, { recursive: true, force: true })
  })
  return bench
}
