/** Once for all tests: what they need is fetched, and the extension is packed as it is shipped. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { installExtension } from './editor.ts'
import { pack } from './pack.ts'
import { prerequisites } from './prerequisites.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-extensions-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const [found, { vsix, said }] = await Promise.all([prerequisites(process.env), pack(folder)])
    console.log(said)
    const extensions = join(folder, 'installed')
    await mkdir(extensions)
    await installExtension({ ...found, vsix, extensions })
    project.provide('bed', { ...found, extensions })
    return remove
  } catch (error) {
    await remove()
    throw error
  }
}

export interface Bed {
  editor: string
  chromium: string
  /** Folder in which the packaged extension is installed. */
  extensions: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    bed: Bed
  }
}
