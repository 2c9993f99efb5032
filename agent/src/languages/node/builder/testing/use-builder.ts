/** A builder for one file of tests, with temporary packages that are removed after each test. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach } from 'vitest'
import type { Bundle } from '../../../language.ts'
import type { BundleRequest } from '../build.ts'
import { Builder, type BuilderOptions } from '../builder.ts'
import { requestFor, runFunction, temporaryFolder, type TemporaryFolder } from './bundled-function.ts'

export interface BuilderBench {
  folder(files?: Readonly<Record<string, string>>): TemporaryFolder
  bundle(folder: Pick<TemporaryFolder, 'dir'>, more?: Partial<BundleRequest>): Promise<Bundle>
  /** Bundles it, and what it answers as an instance. */
  run(folder: Pick<TemporaryFolder, 'dir'>, more?: Partial<BundleRequest>): Promise<Bundle & { answer: string }>
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
    folder(files = {}) {
      const made = temporaryFolder(files)
      folders.push(made)
      return made
    },
    bundle: ({ dir }, more = {}) => builder.bundle(requestFor(dir, more), new AbortController().signal),
    async run(folder, more = {}) {
      const bundle = await bench.bundle(folder, more)
      const { dir, entry } = await bundle.write(bench.folder().path('1'))
      await using running = await runFunction(join(dir, entry))
      return { ...bundle, answer: await running.get() }
    },
  }
  return bench
}
