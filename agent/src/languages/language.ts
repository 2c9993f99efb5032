/**
 * What a function can be written in. The registry makes the implementations, and all of them pass one contract test
 * (`testing/language-contract.ts`); the rest of the house never asks which one it is. Invariants of every language:
 *
 * 1. The user's folder is only read.
 * 2. The hash of a bundle covers everything the function can see at run time and nothing else: the same package gives
 *    the same hash in every folder and on every machine.
 * 3. Nothing of a version is written before `write`, and then completely or not at all.
 * 4. What its command starts listens where the environment says (`ENV`), and answers `HEALTH_PATH` once it is ready.
 */
import type { DeploymentKind, Problem } from '../contract/index.ts'

/** A function as its author left it. */
export interface FunctionSource {
  /** Name as the user wrote it. */
  name: string
  kind: DeploymentKind
  /** Absolute: the folder of deploy.json. */
  rootDir: string
  /** Absolute, inside `rootDir`. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Globs below `packageDir` of further files to take along. */
  files: string[]
}

export type CheckOutcome =
  | {
      kind: 'accepted'
      /** @throws RyoFaasError BUILD_FAILED, CANCELLED */
      bundle(signal: AbortSignal): Promise<Bundle>
    }
  | { kind: 'rejected'; problems: Problem[] }

/** Code that is ready to run, in memory: nothing is written until the caller knows that it is new. */
export interface Bundle {
  /** 16 hex digits over everything the function can see at run time: same hash, same function. */
  hash: string
  /** Things the user should know, e.g. a package that could not be bundled and was taken along. */
  notes: string[]
  /** Writes the version's folder, in place of what an interrupted attempt may have left there. */
  write(versionDir: string): Promise<WrittenBundle>
}

export interface WrittenBundle {
  /** Folder inside `versionDir` that becomes the code folder of instances. */
  dir: string
  /** What to run, relative to `dir`. */
  entry: string
}

/** What was written, as an instance sees it. */
export interface RunnablePackage {
  /** Absolute. */
  folder: string
  /** Relative to `folder`. */
  entry: string
}

/** What a program is told because nothing outside of it sees to it. */
export interface CommandNeeds {
  /** Where to let a debugger in. */
  debug?: { host: string; port: number }
  /** The limit, if the program itself has to keep to it. */
  memoryMb?: number
}

export interface LoadedCode {
  /** Where the instance sees its code. */
  codeFolder: string
  packageDir: string
}

export interface Language {
  /** As deploy.json and the state know it. */
  readonly name: string
  /** Of the files that it claims, each with its dot. No two languages claim the same. */
  readonly endings: readonly string[]
  /** Of what its bundles run with: `RUNTIME_PROTOCOL`, or 1 where instances do not say which one they are. */
  readonly protocol: number
  /** Name of the base image that its commands run on. */
  readonly base: string
  /** Whether its commands can let a debugger in. */
  readonly isDebuggable: boolean

  /** All of a deploy in one go; one outcome for each, in the same order. */
  check(sources: FunctionSource[]): Promise<CheckOutcome[]>
  /** Program and arguments; the program is absolute, or found on the path of the base image. */
  command(built: RunnablePackage, needs: CommandNeeds): string[]
  /** What code threw while it was loaded, as a problem in the user's file, from the last lines that it wrote. */
  loadProblem?(lines: readonly string[], code: LoadedCode): Problem | undefined
  /** Loads what the first check would have to wait for. */
  warmUp?(): Promise<void>
  close?(): Promise<void>
}
