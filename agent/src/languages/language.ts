/**
 * A language for functions. The registry creates the implementations, and all of them pass one contract test
 * (`testing/language-contract.ts`); the rest of the code never asks which one it is. Invariants of every language:
 *
 * 1. The user's folder is only read.
 * 2. The hash of a bundle covers everything the function can see at run time and nothing else: the same package gives
 *    the same hash in every folder and on every machine.
 * 3. Nothing is written before `write`, which writes a version completely or not at all.
 * 4. Its command starts a server that listens where the environment says (`ENV`), and answers `HEALTH_PATH` when ready; a plain
 * one listens on `PORT`.
 */
import type { BundleFacts, DebugProtocol, DeploymentKind, HandledEvents, Problem } from '../contract/index.ts'

/** A function's source. */
export interface FunctionSource {
  /** Name as the user wrote it. */
  name: string
  kind: DeploymentKind
  /** Kinds of events that start it, if it is a trigger. */
  on?: readonly HandledEvents[] | undefined
  /** What the module exports it as; default: the language finds it by its name. */
  export?: string | undefined
  /** Absolute: the folder of deploy.json. */
  rootDir: string
  /** Absolute, inside `rootDir`. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Globs below `packageDir` of further files to include. */
  files: string[]
  /** Packages to take along as they are instead of bundling them: names, or `@scope/*`. */
  unbundled?: readonly string[]
  /** Version of Node that it asks for. */
  node?: string | undefined
  /** Version of Python that it asks for. */
  python?: string | undefined
  /** Program and arguments that it asks for. */
  command?: readonly string[] | undefined
  /** Path of a Dockerfile in the package, or `true` for one with that name. */
  dockerfile?: string | true | undefined
}

export type CheckOutcome =
  | {
      kind: 'accepted'
      /** What the handler is, for people: `Express app`; absent if the language knows one form only. */
      form?: string
      /** It takes schedules as events: these alone, or beside requests. */
      scheduled?: 'alone' | 'too'
      /** What its command runs on, if that is not the base of its language. */
      base?: string
      /**
       * @param options `isForDebugger`: made for a debugger to find its way, if the language knows a difference
       * @throws RyoFaasError BUILD_FAILED, CANCELLED
       */
      bundle(signal: AbortSignal, options?: BundleOptions): Promise<Bundle>
    }
  | { kind: 'rejected'; problems: Problem[] }

export interface BundleOptions {
  isForDebugger?: boolean
}

/** Code that is ready to run, in memory: nothing is written until the caller knows that it is new. */
export interface Bundle {
  /** 16 hex digits over everything the function can see at run time: same hash, same function. */
  hash: string
  /** Things the user should know, e.g. a package that could not be bundled and was included as it is. */
  notes: string[]
  /** Absolute: folders outside the package that it was made from. */
  folders?: string[]
  /** What was decided, for a user who asks. */
  facts?: BundleFacts
  /** Writes the version's folder, replacing what an interrupted attempt may have left there. */
  write(versionDir: string): Promise<WrittenBundle>
}

export interface WrittenBundle {
  /** Folder inside `versionDir` that becomes the code folder of instances. */
  dir: string
  /** What to run, relative to `dir`. */
  entry: string
}

/** A written bundle, as an instance sees it. */
export interface RunnablePackage {
  /** Absolute. */
  folder: string
  /** Relative to `folder`. */
  entry: string
  /** What it runs on, as the check decided. */
  base?: string | undefined
  /** Program and arguments, as deploy.json says. */
  command?: readonly string[] | undefined
}

/** What only the program itself can enforce. */
export interface CommandNeeds {
  /** Where a debugger may attach. */
  debug?: { host: string; port: number }
  /** The limit, if the program itself has to keep to it. */
  memoryMb?: number
}

export interface DebuggedLanguage {
  readonly protocol: DebugProtocol
  /**
   * @param where what it runs on, and whether that is a process of this machine
   * @throws RyoFaasError UNSUPPORTED: what is missing, and how to get it
   */
  mustBeThere?(where: { base: string | undefined; isOnThisMachine: boolean }): void
}

export interface LoadedCode {
  /** The code folder in the instance. */
  codeFolder: string
  packageDir: string
}

export interface Language {
  /** As in deploy.json and the state. */
  readonly name: string
  /** Extensions of the files it claims, with the dot. No two languages claim the same. */
  readonly endings: readonly string[]
  /** Fields of an entry that only it understands. */
  readonly fields?: readonly string[]
  /** Those of them that make an entry its own, whatever its file is called. */
  readonly claims?: readonly ('command' | 'dockerfile')[]
  /**
   * Protocol of its bundles: `RUNTIME_PROTOCOL`, 1 if instances do not identify themselves, or `PLAIN_PROTOCOL` if they
   * are told where to listen by `PORT` and nothing more is known of them than that they serve HTTP.
   */
  readonly protocol: number
  /** Name of the base image that its commands run on. */
  readonly base: string
  /** Absent: no debugger can attach. */
  readonly debugging?: DebuggedLanguage

  /** All functions of a deploy at once; one outcome for each, in the same order. */
  check(sources: FunctionSource[]): Promise<CheckOutcome[]>
  /** Program and arguments; the program is absolute, or found on the path of the base image. */
  command(built: RunnablePackage, needs: CommandNeeds): string[]
  /** What code threw while it was loading, as a problem in the user's file, from its last lines of output. */
  loadProblem?(lines: readonly string[], code: LoadedCode): Problem | undefined
  /** Loads what the first check would otherwise wait for. */
  warmUp?(): Promise<void>
  close?(): Promise<void>
}
