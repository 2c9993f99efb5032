/** A folder with a function, and what is said of the deploy.json in it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { createLanguages } from '../languages/index.ts'
import { readDeployFile } from './read-deploy-file.ts'

export const languages = createLanguages({ runtimeDir: '', cacheDir: '', environment: {} })

export type DeployFileOutcome = Awaited<ReturnType<typeof readDeployFile>>

export interface Project {
  /** Path of its deploy.json, which is not there yet. */
  readonly file: string
  path(name: string): string
  write(name: string, text: string): Promise<void>
  /** Writes deploy.json. */
  read(text: string, settings?: Parameters<typeof readDeployFile>[2]): Promise<DeployFileOutcome>
  /** Writes deploy.json; none if it is accepted. */
  problemsOf(text: string): Promise<string[]>
}

/** Another one for each test of a file. */
export function useProject(): Project {
  let folder: string
  const project: Project = {
    get file() {
      return project.path('deploy.json')
    },
    path: name => join(folder, name),
    write: (name, text) => writeFile(project.path(name), text),
    async read(text, settings) {
      await writeFile(project.file, text)
      return readDeployFile(project.file, languages, settings)
    },
    problemsOf: async text => problemsIn(await project.read(text)),
  }
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rfa-deploy-file-'))
    await mkdir(project.path('hello'))
    await project.write('hello/main.ts', 'export {}')
  })
  afterEach(() => rm(folder, { recursive: true }))
  return project
}

export function problemsIn(outcome: DeployFileOutcome): string[] {
  if (outcome.kind === 'read') return []
  return outcome.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`)
}
