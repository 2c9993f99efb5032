/**
 * Runs once before the tests of single services: bundles from the source what they start as processes. One that is compiled
 * on the fly, file by file, takes the machine longer to start than most tests do.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url))
/** In here packages are found that stay outside of a bundle. */
const OUT = fileURLToPath(new URL('../../out/', import.meta.url))

const ENTRIES = [
  'acme/acme-testing',
  'observability/collector/testing/collector-process',
  'packages/testing/package-process',
  'platform/keeper-testing',
  'services/dispatcher/main',
  'services/proxy/main',
  'services/store/main',
  'services/store/thread-main',
]

/** For what is CommonJS. */
const BANNER = [
  "import { createRequire as __createRequire } from 'node:module'",
  'const require = __createRequire(import.meta.url)',
].join('\n')

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the bundles. */
    entries: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await mkdir(OUT, { recursive: true })
  const folder = await mkdtemp(join(OUT, 'entries-'))
  await build({
    entryPoints: ENTRIES.map(name => join(SOURCE, `${name}.ts`)),
    outbase: SOURCE,
    outdir: folder,
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20' },
    ...{ conditions: ['source'], mainFields: ['module', 'main'], external: ['lmdb'] },
    banner: { js: BANNER },
    define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
    logLevel: 'warning',
  })
  project.provide('entries', folder)
  return () => rm(folder, { recursive: true, force: true })
}
