/** Writes a version, completely or not at all. */
import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { settleAll } from '../../host/index.ts'
import type { TakenFile } from './taken-files.ts'

export interface VersionContents {
  /** The app's own files, by path relative to it. */
  written: Map<string, string | Uint8Array>
  /** What else goes into the app. */
  taken: TakenFile[]
  /** The user's original package, for reading. */
  sources: TakenFile[]
  entrySource: { name: string; text: string }
}

export async function writeVersionFolder(folder: string, contents: VersionContents): Promise<void> {
  const unfinished = `${folder}.tmp-${randomUUID().slice(0, 8)}`
  const writer = new Writer(unfinished)
  try {
    // At once: one after the other takes 10 ms for a function of one file.
    await settleAll([
      writer.write(contents.entrySource.name, contents.entrySource.text),
      ...[...contents.written].map(([path, content]) => writer.write(join('app', path), content)),
      ...contents.taken.map(file => writer.copy(join('app', file.path), file)),
      ...contents.sources.map(file => writer.copy(join('package', file.path), file)),
    ])
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

/** Everything is readable by everyone, whatever the umask: the function runs as another user. */
class Writer {
  readonly #root: string
  readonly #folders = new Map<string, Promise<void>>()

  constructor(root: string) {
    this.#root = root
  }

  async write(path: string, content: string | Uint8Array): Promise<void> {
    const target = await this.#target(path)
    await writeFile(target, content)
    await chmod(target, 0o644)
  }

  async copy(path: string, { source, executable }: TakenFile): Promise<void> {
    const target = await this.#target(path)
    await copyFile(source, target)
    await chmod(target, executable ? 0o755 : 0o644)
  }

  async #target(path: string): Promise<string> {
    await this.#folder(dirname(path))
    return join(this.#root, path)
  }

  #folder(path: string): Promise<void> {
    let made = this.#folders.get(path)
    if (!made) {
      made = this.#make(path)
      this.#folders.set(path, made)
    }
    return made
  }

  async #make(path: string): Promise<void> {
    if (path !== '.') await this.#folder(dirname(path))
    const folder = join(this.#root, path)
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o755)
  }
}
