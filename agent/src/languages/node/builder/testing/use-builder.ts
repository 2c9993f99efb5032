/** A builder for one file of tests, with temporary packages that are removed after each test. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach } from 'vitest'
import type { Bundle } from '../../../language.ts'
import type { BundleRequest } from '../build.ts'
import { Builder, type BuilderOptions } from '../builder.ts'
import { requestFor, runFunction, temporaryFolder, type TemporaryFolder } from './bundled-function.ts'

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
  runtimeDir: string
  cacheDir: string
  folder(files?: Readonly<Record<string, string>>): TemporaryFolder
  bundle(packageDir: string, more?: Partial<BundleRequest>): Promise<Bundle>
  /** Bundles it, and writes the version into a folder. */
  write(packageDir: string, more?: Partial<BundleRequest>): Promise<WrittenBundle>
  /** Bundles it, and what it answers as an instance. */
  run(packageDir: string, more?: Partial<BundleRequest>): Promise<WrittenBundle & { answer: string }>
  answerOf(packageDir: string, more?: Partial<BundleRequest>): Promise<string>
}

export function useBuilder(options: Partial<BuilderOptions> = {}): BuilderBench {
  const runtimeDir = fileURLToPath(new URL('../../../../../../runtime/src', import.meta.url))
  const cache = temporaryFolder()
  const builder = new Builder({ runtimeDir, cacheDir: cache.dir, environment: process.env, ...options })
  const folders: TemporaryFolder[] = []
  afterEach(() => {
    for (const made of folders.splice(0)) made.remove()
  })
  afterAll(async () => {
    await builder.close()
    cache.remove()
  })
  const bench: BuilderBench = {
    ...{ builder, runtimeDir, cacheDir: cache.dir },
    folder(files = {}) {
      const made = temporaryFolder(files)
      folders.push(made)
      return made
    },
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
