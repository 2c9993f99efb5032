/** A builder for one file of tests, with temporary packages that are removed after each test. */
import { join } from 'node:path'
import { afterAll, afterEach } from 'vitest'
import type { Bundle } from '../../../language.ts'
import type { BundleRequest } from '../build.ts'
import { Builder, type BuilderOptions } from '../builder.ts'
import { requestFor, runFunction, RUNTIME_DIR, temporaryFolder, type TemporaryFolder } from './bundled-function.ts'

interface WrittenBundle extends Bundle {
  /** Of the version, with the sources of the package. */
  versionDir: string
  /** Of what an instance gets. */
  dir: string
  /** Path of the module that an instance runs. */
  module: string
}

export interface BuilderBench {
  builder: Builder
  cacheDir: string
  folder(files?: Readonly<Record<string, string>>): TemporaryFolder
  bundle(packageDir: string, more?: Partial<BundleRequest>): Promise<Bundle>
  /** Bundles it, and writes the version into a folder. */
  write(packageDir: string, more?: Partial<BundleRequest>): Promise<WrittenBundle>
  /** Bundles it, and what it answers as an instance. */
  run(packageDir: string, more?: Partial<BundleRequest>): Promise<WrittenBundle & { answer: string }>
  answerOf(packageDir: string, more?: Partial<BundleRequest>): Promise<string>
}

/** Temporary packages that are removed after each test of a file. */
export function useFolders(): (files?: Readonly<Record<string, string>>) => TemporaryFolder {
  const folders: TemporaryFolder[] = []
  afterEach(() => {
    for (const made of folders.splice(0)) made.remove()
  })
  return (files = {}) => {
    const made = temporaryFolder(files)
    folders.push(made)
    return made
  }
}

export function useBuilder(options: Partial<BuilderOptions> = {}): BuilderBench {
  const cache = temporaryFolder()
  const builder = new Builder({ runtimeDir: RUNTIME_DIR, cacheDir: cache.dir, environment: process.env, ...options })
  const folder = useFolders()
  afterAll(async () => {
    await builder.close()
    cache.remove()
  })
  const bench: BuilderBench = {
    ...{ builder, cacheDir: cache.dir, folder },
    bundle: (packageDir, more = {}) => builder.bundle(requestFor(packageDir, more), new AbortController().signal),
    async write(packageDir, more) {
      const bundle = await bench.bundle(packageDir, more)
      const versionDir = bench.folder().path('1')
      const { dir, entry } = await bundle.write(versionDir)
      return { ...bundle, versionDir, dir, module: join(dir, entry) }
    },
    async run(packageDir, more) {
      const written = await bench.write(packageDir, more)
      await using running = await runFunction(written.module)
      return { ...written, answer: await running.get() }
    },
    answerOf: async (packageDir, more) => (await bench.run(packageDir, more)).answer,
  }
  return bench
}
