/** A package in a temporary folder, for tests. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface TemporaryPackage {
  readonly dir: string
  /** Writes files by their path in the package. */
  write(files: Readonly<Record<string, string>>): void
  path(file: string): string
  remove(): void
}

export function temporaryPackage(files: Readonly<Record<string, string>> = {}): TemporaryPackage {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-check-')))
  const made: TemporaryPackage = {
    dir,
    write(more) {
      for (const [path, text] of Object.entries(more)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true })
        writeFileSync(join(dir, path), text)
      }
    },
    path: file => join(dir, file),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
  made.write(files)
  return made
}
