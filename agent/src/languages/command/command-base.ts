/**
 * What a program runs on in a container: nothing, if it is linked statically; else the files of this machine that it
 * needs, which are its shared libraries or its interpreter. Nothing of the package runs to find that out: libraries are
 * listed by the machine's own loader.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { basename, delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import { hostBase, SCRATCH_BASE, type Problem } from '../../contract/index.ts'
import { pythonBase, type HostPythons } from '../building/index.ts'
import { programFile } from './program-file.ts'

/** The base, and the program as it is found there; or what is wrong with it. */
export type CommandBase =
  { kind: 'found'; base: string } | { kind: 'problem'; finding: Pick<Problem, 'code' | 'message' | 'hint'> }

export interface CommandPlaces {
  /** Absolute. */
  packageDir: string
  environment: NodeJS.ProcessEnv
  pythons: HostPythons
}

const PYTHON = /^python(?:3(?:\.\d+)?)?$/
/** A loader of this machine. */
const LOADER = /^\/(?:lib|lib64|usr\/lib|usr\/lib64)\/(?:[\w-]+\/)?ld-(?:linux|musl)[\w.-]*$/
const MOST_LINKS = 4

export async function commandBase(command: readonly string[], places: CommandPlaces): Promise<CommandBase> {
  const [program] = command as [string]
  return baseOf(program, places, 0)
}

/** Whether a word of a command is a path: `./server`, not `python3`. */
export function isPath(program: string): boolean {
  return program.includes('/')
}

async function baseOf(program: string, places: CommandPlaces, links: number): Promise<CommandBase> {
  const { packageDir, environment, pythons } = places
  if (!isPath(program) || (isAbsolute(program) && PYTHON.test(basename(program)))) {
    const name = basename(program)
    if (name === 'node') return { kind: 'found', base: 'node' }
    if (PYTHON.test(name)) {
      const wanted = /^python(3\.\d+)$/.exec(name)?.[1]
      const python = isAbsolute(program) ? await pythons.at(program) : await pythons.find(wanted)
      // A script's first line names it so.
      const alias = isAbsolute(program) ? program : join(dirname(python.program), name)
      const aliases = alias !== python.program && existsSync(alias) ? [alias] : []
      return { kind: 'found', base: pythonBase(python, aliases) }
    }
    const found = await onPath(name, environment)
    if (found !== undefined) return { kind: 'found', base: hostBase([found]) }
    return problem('missing-program', `the program "${program}" was not found on this machine`, {
      hint: `Install it, or put "./" before its name if it is a file of the package`,
    })
  }
  const path = resolve(packageDir, program)
  const isOwn = path.startsWith(packageDir + sep)
  if (!isOwn && !isAbsolute(program)) return problem('path-outside', `"${program}" is outside the package`)
  const file = await programFile(path).catch(() => undefined)
  if (file === undefined) return problem('missing-program', `the program "${program}" does not exist`)
  switch (file.kind) {
    case 'binary': {
      if (!isOwn) return { kind: 'found', base: hostBase([path]) }
      if (file.loader === undefined) return { kind: 'found', base: SCRATCH_BASE }
      const libraries = await librariesOf(path, file.loader)
      if (libraries === undefined) {
        return problem(
          'wrong-program',
          `"${program}" needs the loader ${file.loader}, which this machine does not have`,
        )
      }
      return { kind: 'found', base: hostBase(libraries.filter(library => !library.startsWith(packageDir + sep))) }
    }
    case 'script': {
      const [interpreter = '', ...words] = file.words
      const isEnv = basename(interpreter) === 'env'
      const next = isEnv ? words.find(word => !word.startsWith('-') && !word.includes('=')) : interpreter
      if (next === undefined || links >= MOST_LINKS) return problem('wrong-program', `"${program}" has no interpreter`)
      const inner = await baseOf(next, places, links + 1)
      if (inner.kind === 'problem' || !isEnv) return inner
      return inner.base === 'node' ? inner : { kind: 'found', base: `${inner.base}:${interpreter}` }
    }
    case 'other':
      return problem('wrong-program', `"${program}" is not a program`, {
        hint: 'A script begins with a line such as #!/usr/bin/env python3; or name its interpreter: ["bash", "server.sh"]',
      })
  }
}

async function librariesOf(path: string, loader: string): Promise<string[] | undefined> {
  if (!LOADER.test(loader)) return undefined
  try {
    const { stdout } = await promisify(execFile)(loader, ['--list', path], { env: {}, timeout: 10_000 })
    const listed = stdout.split('\n').map(line => /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1])
    return [...new Set([loader, ...listed.filter(library => library !== undefined)])]
  } catch {
    return undefined
  }
}

export async function onPath(name: string, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (environment['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

function problem(code: string, message: string, more: { hint?: string } = {}): CommandBase {
  return { kind: 'problem', finding: { code, message, ...more } }
}
