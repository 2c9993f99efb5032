/** Once for all tests: what they need is fetched, and the extension is packed as it is shipped, while other tests run. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type { Bed, BedOutcome } from './bed.ts'
import { installExtension } from './editor.ts'
import { pack } from './pack.ts'
import { prerequisites, type Prerequisites } from './prerequisites.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const found = await prerequisites(process.env)
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-extensions-'))
  const file = join(folder, 'bed.json')
  const tell = async (outcome: BedOutcome) => {
    await writeFile(`${file}.tmp`, JSON.stringify(outcome))
    await rename(`${file}.tmp`, file)
  }
  const made = make(folder, found).then(
    bed => tell({ kind: 'made', bed }),
    (error: unknown) => tell({ kind: 'failed', message: (error as Error).message }),
  )
  // Only those of the first group run long enough, and none of them packs anything.
  if (!project.vitest.projects.some(({ config }) => config.sequence.groupOrder === 0)) await made
  project.provide('bedFile', file)
  return async () => {
    await made
    await rm(folder, { recursive: true, force: true })
  }
}

async function make(folder: string, found: Prerequisites): Promise<Bed> {
  const { vsix, said } = await pack(folder)
  console.log(said)
  const extensions = join(folder, 'installed')
  await mkdir(extensions)
  await installExtension({ ...found, vsix, extensions })
  return { ...found, extensions }
}
