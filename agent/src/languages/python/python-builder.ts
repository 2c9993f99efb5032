/** Builds functions in Python: their package as it is, our runtime, and a program that knows where everything is. */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { placeInImage, RyoFaasError, type BundleFacts } from '../../contract/index.ts'
import {
  Digests,
  globbedFiles,
  packageFiles,
  writeVersionFolder,
  type HostPython,
  type TakenFile,
} from '../building/index.ts'
import type { Bundle, FunctionSource } from '../language.ts'
import type { PackageSet } from './python-packages.ts'
import type { PythonFunction } from './python-program.ts'
import type { PreparedRuntime } from './python-runtime.ts'

/** Part of every hash: increase it when the same input must give a different app. */
const FORMAT = 1
const NOT_TAKEN = /(?:^|\/)__pycache__\/|\.pyc$|^deploy\.jsonc?$|^requirements[\w.-]*\.txt$/
/** No package has a file there: names with a dot are left out. */
const RUNTIME_FOLDER = '.runtime'

export interface PythonBuild {
  source: FunctionSource
  python: HostPython
  found: PythonFunction
  packages: PackageSet
  runtime: PreparedRuntime
}

export class PythonBuilder {
  readonly #digests = new Digests()

  async bundle(build: PythonBuild, signal: AbortSignal): Promise<Bundle> {
    const { source, python, found, packages, runtime } = build
    const stop = () => {
      if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${source.name} was cancelled`)
    }
    stop()
    const [own, globbed] = await Promise.all([
      packageFiles(source.packageDir),
      globbedFiles(source.packageDir, source.files),
    ])
    const isTaken = notOfEnvironments(own.files)
    const kept = own.files.filter(file => !NOT_TAKEN.test(file.path) && isTaken(file))
    const taken = [...new Map([...kept, ...globbed.files].map(file => [file.path, file])).values()].sort(byPath)
    const { module, attribute, source: root } = found
    const told = [source.name, source.kind, module, attribute, root]
    const parts: unknown[] = [FORMAT, python.version, python.tag, runtime.hash, packages.key, told]
    for (const file of taken) parts.push([file.path, file.executable, await this.#digests.of(file)])
    const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
    stop()
    const entry = `exported_${source.name.toLowerCase()}.py`
    const program = programOf(build)
    const placed = runtime.files.map(file => ({ ...file, path: `${RUNTIME_FOLDER}/${file.path}` }))
    return {
      hash,
      notes: [...found.notes, ...own.notes, ...globbed.notes, ...offlineNote(packages)],
      facts: factsOf(build, taken),
      write: async versionDir => {
        await writeVersionFolder(versionDir, {
          written: new Map([[entry, program]]),
          taken: [...placed, ...taken.filter(({ path }) => path !== entry)],
          sources: [],
          entrySource: { name: entry, text: program },
        })
        return { dir: `${versionDir}/app`, entry }
      },
    }
  }
}

/** Folders that hold a virtual environment. */
function notOfEnvironments(files: TakenFile[]): (file: TakenFile) => boolean {
  const folders = files.filter(({ path }) => /(?:^|\/)pyvenv\.cfg$/.test(path)).map(({ path }) => `${dirname(path)}/`)
  return ({ path }) => !folders.some(folder => path.startsWith(folder))
}

/** Runs without the modules of the machine: only what is named here can be imported. */
function programOf({ source, found, packages }: PythonBuild): string {
  const { name, kind } = source
  const { module, attribute, source: root } = found
  const text = (value: string) => JSON.stringify(value)
  return [
    `import os, sys`,
    `here = os.path.dirname(os.path.abspath(__file__))`,
    `sys.path[:0] = [${root === '.' ? '' : `os.path.join(here, ${text(root)}), `}here, os.path.join(here, ${text(RUNTIME_FOLDER)})]`,
    ...(packages.folder === undefined ? [] : [`sys.path += [${placesOf(packages.folder).map(text).join(', ')}]`]),
    `from ryo_faas._main import start`,
    `start(${[name, kind, module, attribute].map(text).join(', ')})`,
    ``,
  ].join('\n')
}

/** On this machine, and in an image of it. */
function placesOf(folder: string): string[] {
  return [...new Set([folder, placeInImage(folder)])]
}

function offlineNote({ why, packages }: PackageSet): string[] {
  if (why === undefined) return []
  const taken = packages.filter(({ origin }) => origin === 'machine').map(({ name }) => name)
  return [`pip could install nothing, so packages of this machine were taken: ${taken.join(', ')}`]
}

function factsOf({ python, packages, runtime }: PythonBuild, taken: TakenFile[]): BundleFacts {
  const code = taken.filter(({ path }) => path.endsWith('.py'))
  const others = taken.filter(({ path }) => !path.endsWith('.py'))
  const bytesOf = (files: readonly { size: number }[]) => files.reduce((sum, { size }) => sum + size, 0)
  const bundleBytes = bytesOf(code) + bytesOf(runtime.files)
  const unbundled = packages.packages.map(({ name, version, origin, bytes }) => ({
    ...{ name, bytes, native: false },
    ...(version !== null && { version }),
    why: origin === 'pip' ? 'was installed by pip' : 'is installed on this machine',
  }))
  return {
    runsOn: `Python ${python.version}`,
    ...{ bundleBytes, bundled: [], unbundled, files: { count: others.length, bytes: bytesOf(others) } },
    totalBytes: bundleBytes + bytesOf(others) + unbundled.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function byPath(a: TakenFile, b: TakenFile): number {
  return a.path < b.path ? -1 : 1
}
