/**
 * Runs once before the tests of single services: bundles from the source what they start as processes. One that is compiled
 * on the fly, file by file, takes the machine longer to start than most tests do.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'
import { AS_MODULE, ENTRIES } from '../../scripts/bundle.js'
import { identifyProcess } from '../../src/host/process-identity.ts'

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url))
/** In here packages are found that stay outside of a bundle. */
const OUT = fileURLToPath(new URL('../../out/', import.meta.url))

/** What only tests start. */
const OF_TESTS = [
  'acme/acme-testing',
  'observability/collector/testing/collector-process',
  'packages/testing/package-process',
  'platform/keeper-testing',
]
const STARTED = [...ENTRIES.filter(name => name.startsWith('services/')), ...OF_TESTS]

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the bundles. */
    entries: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await mkdir(OUT, { recursive: true })
  await removeStale(OUT)
  const folder = await mkdtemp(join(OUT, `entries-${process.pid}-`))
  await build({
    ...AS_MODULE,
    entryPoints: STARTED.map(name => join(SOURCE, `${name}.ts`)),
    outbase: SOURCE,
    outdir: folder,
    conditions: ['source'],
    external: ['lmdb'],
  })
  project.provide('entries', folder)
  return () => rm(folder, { recursive: true, force: true })
}

/** A run that was killed could not remove its own. */
export async function removeStale(out: string): Promise<void> {
  for (const name of await readdir(out)) {
    const pid = /^entries-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || (await identifyProcess(Number(pid))) !== undefined) continue
    await rm(join(out, name), { recursive: true, force: true })
  }
}
