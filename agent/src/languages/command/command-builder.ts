/** Takes a package as it is: every file of it that `.dockerignore` does not leave out. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import dockerignore from '@balena/dockerignore'
import { RyoFaasError } from '../../contract/index.ts'
import { Digests, globbedFiles, packageFiles, writeVersionFolder, type TakenFile } from '../building/index.ts'
import type { Bundle, FunctionSource } from '../language.ts'
import { programFile } from './program-file.ts'

/** Its types have a default export, which it does not. */
const newMatcher = dockerignore as unknown as typeof dockerignore.default

/** Part of every hash: increase it when the same input must give a different app. */
const FORMAT = 1
const NOT_TAKEN = /(?:^|\/)__pycache__\/|^deploy\.jsonc?$/

export class CommandBuilder {
  readonly #digests = new Digests()

  async bundle(source: FunctionSource, signal: AbortSignal): Promise<Bundle> {
    const { name, packageDir, files, command, dockerfile } = source
    const stop = () => {
      if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
    }
    stop()
    const [own, globbed] = await Promise.all([packageFiles(packageDir), globbedFiles(packageDir, files)])
    const isIgnored = await ignoredBy(packageDir)
    const kept = own.files.filter(({ path }) => !NOT_TAKEN.test(path) && (isNeeded(path, source) || !isIgnored(path)))
    const all = new Map([...kept, ...globbed.files].map(file => [file.path, file]))
    const program = command?.[0]?.replace(/^(?:\.\/)+/, '')
    const taken = await Promise.all(
      [...all.values()].sort(byPath).map(async file => ({ ...file, executable: await mayRun(file, program) })),
    )
    const parts: unknown[] = [FORMAT, ...(dockerfile === undefined ? [] : ['dockerfile'])]
    for (const file of taken) parts.push([file.path, file.executable, await this.#digests.of(file)])
    const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
    stop()
    return {
      hash,
      notes: [...own.notes, ...globbed.notes],
      write: async versionDir => {
        const text = JSON.stringify({ command, dockerfile }, null, 2) + '\n'
        const entrySource = { name: `exported_${name.toLowerCase()}.json`, text }
        await writeVersionFolder(versionDir, { written: new Map(), taken, sources: [], entrySource })
        return { dir: join(versionDir, 'app'), entry: entryOf(taken, program) }
      },
    }
  }
}

/** A program is one, also where files have no such bit. */
async function mayRun({ path, source, executable }: TakenFile, program: string | undefined): Promise<boolean> {
  return executable || (path === program && (await programFile(source)).kind !== 'other')
}

/** Rules cannot leave out what was asked for. */
function isNeeded(path: string, { dockerfile }: FunctionSource): boolean {
  return dockerfile !== undefined && path === (dockerfile === true ? 'Dockerfile' : dockerfile)
}

function entryOf(taken: TakenFile[], program: string | undefined): string {
  return taken.find(({ path }) => path === program)?.path ?? taken[0]?.path ?? ''
}

async function ignoredBy(packageDir: string): Promise<(path: string) => boolean> {
  const rules = await readFile(join(packageDir, '.dockerignore'), 'utf8').catch(() => undefined)
  if (rules === undefined) return () => false
  const matcher = newMatcher({ ignorecase: false }).add(rules)
  return path => matcher.ignores(path)
}

function byPath(a: TakenFile, b: TakenFile): number {
  return a.path < b.path ? -1 : 1
}
