import type { Readable, Writable } from 'node:stream'
import type { Argv } from 'yargs'
import type { AgentClient, AgentFile, BuiltPackages, ServersFile } from '../client/index.ts'
import type { z } from 'zod'
import type {
  API,
  BuildProgress,
  DockerThere,
  ExportedFunctions,
  ExportRequest,
  FurtherProxy,
  ServiceState,
} from '../contract/index.ts'
import type { Output } from './output.ts'

export type CheckResult = z.output<(typeof API)['check']['response']>

export interface PlatformFlag {
  name: string
  help: string
  default: unknown
  variable: string
}

/** One thing that a platform needs on this machine. */
export interface Finding {
  name: string
  status: 'ok' | 'warn' | 'fail'
  found: string
  /** What to do about it, one sentence. */
  fix?: string
}

export type BuildHere = Pick<z.input<(typeof API)['deploy']['body']>, 'file' | 'only' | 'environment' | 'variables'> & {
  /** For any deploy: with everything that an environment decides still open. */
  isPortable?: boolean
}

/** The platform that runs here, for another machine. */
export interface PackedPlatform {
  version: string
  /** Hash of all files. */
  build: string
  bytes: number
  /** tar, gzip */
  files(): Readable
}

/** What a backup says of itself. */
export interface BackupFacts {
  digest: string
  /** Of its files, unpacked. */
  bytes: number
  /** Release that made it. */
  version: string
  project: string
  createdAt: string
  store: { kind: 'embedded'; sequence: number } | { kind: 'postgres' }
  nats: 'copied' | 'elsewhere'
  /** That its platform was started with, beyond the defaults. */
  flags: string[]
}

/** See `platform/swarm-members.ts`. */
export interface SwarmMembership {
  join(
    there: DockerThere,
    wish: { address: string | undefined; theirs: string | undefined; hasRegistry: boolean },
  ): Promise<{ name: string; address: string; findings: Finding[] }>
  leave(there: DockerThere, report: (left: number) => void): Promise<{ name: string }>
}

export interface LaunchedAgent {
  /** `gave-way`: another agent holds this home, or held it a moment ago. */
  state(): 'lives' | 'failed' | 'gave-way'
}

/** What the CLI cannot do by talking to the agent; the entry point provides it. */
export interface CliHost {
  version: string
  environment: NodeJS.ProcessEnv
  cwd: string
  home: string
  stdin: NodeJS.ReadStream
  /**
   * Starts an agent process in this home with these flags; its API answers soon after, or its failure file is there.
   */
  launchAgent(flags: Record<string, unknown>, report: (doing: string) => void): Promise<LaunchedAgent>
  /** Whether an agent of this home that is away is being started again. */
  isKept(): Promise<boolean>
  /** Ends an agent of this home that runs another release; parts and functions go on, and wait for the next agent. */
  endAgent(): Promise<void>
  /**
   * That this machine can run functions as these flags say.
   * @returns the values that the platform of this home has for them
   * @throws RyoFaasError saying what is missing
   */
  requireEngine(flags: Record<string, unknown>): Promise<Record<string, unknown>>
  /** Options of the platform of this home, as it was started; none if it was not. */
  runningOptions(): Promise<Record<string, unknown>>
  /** The machines of the swarm of this machine. @throws RyoFaasError DOCKER_UNREACHABLE */
  swarmMembers(): Promise<SwarmMembership>
  /** Which of these flags differ from the options that this home runs with. */
  differingFlags(flags: Record<string, unknown>): Promise<string[]>
  /** Resolves when the process of an agent has exited, or after a timeout. */
  agentGone(agent: AgentFile): Promise<unknown>
  /**
   * Kills a platform whose agent cannot stop it.
   * @returns the names of what was killed
   */
  endByForce(): Promise<string[]>
  /**
   * Removes images and data of a platform that was stopped.
   * @returns whether there was one
   * @throws RyoFaasError DOCKER_UNREACHABLE
   */
  removeStopped(): Promise<boolean>
  /**
   * Replaces the store's data with a backup.
   * @returns where the previous data is kept
   * @throws RyoFaasError while the platform runs, or if it is not a backup
   */
  restoreStore(backup: string): Promise<string | undefined>
  /**
   * Keeps a backup that comes, and proves it; only a whole one gets the name of the file.
   * @param to path of a file, or where its bytes go
   * @throws RyoFaasError BACKUP_INVALID, INVALID_OPTION if the file cannot be written
   */
  keepBackup(content: Readable, to: string | Writable): Promise<BackupFacts>
  /**
   * Puts a backup into the home of this machine.
   * @throws RyoFaasError BACKUP_INVALID, UNSUPPORTED, HOME_NOT_EMPTY, ALREADY_RUNNING, HOME_UNUSABLE
   */
  restoreHome(
    content: Readable,
    options: { replace: boolean; digest?: string | undefined },
  ): Promise<BackupFacts & { before?: string }>
  /**
   * Checks a deploy.json without a platform.
   * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND
   */
  checkHere(request: z.input<(typeof API)['check']['body']>): Promise<CheckResult>
  /**
   * Checks and bundles a deploy.json on this machine, without a platform. The caller closes the result.
   * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, PACKAGE_INVALID, CANCELLED
   */
  buildHere(
    request: BuildHere,
    run: { emit: (event: BuildProgress) => void; signal: AbortSignal },
  ): Promise<BuiltPackages>
  /** Writes what was built to be portable as one file. */
  writeArtefact(built: BuiltPackages, path: string): Promise<{ digest: string; sizeBytes: number }>
  /**
   * @param at its path, and the folder whose `.env` files hold
   * @throws RyoFaasError PACKAGE_INVALID, DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND
   */
  openArtefact(
    at: { path: string; base: string },
    settings: {
      environment: string | undefined
      only: string[] | undefined
      digest: string | undefined
      variables: NodeJS.ProcessEnv
    },
  ): Promise<BuiltPackages & { digest: string; notes: string[] }>
  /**
   * Functions as objects of Kubernetes, without a platform; brings their images where the request says.
   * @throws RyoFaasError DEPLOYMENT_NOT_FOUND, SECRET_NOT_FOUND, UNSUPPORTED, REGISTRY_FAILED, CANCELLED; of a deploy.json:
   * DEPLOY_FILE_INVALID, CHECK_FAILED, BUILD_FAILED
   */
  exportKubernetes(
    request: ExportRequest,
    run: { report: (doing: string) => void; signal: AbortSignal },
  ): Promise<ExportedFunctions>
  /** Looks at all that a platform needs on this machine, without changing anything. */
  examine(): Promise<Finding[]>
  /** @throws RyoFaasError HOME_UNUSABLE */
  saveServers(file: ServersFile): Promise<void>
  /** @throws RyoFaasError UNSUPPORTED if this installation lacks what the other machine needs */
  packPlatform(wanted: { target: string; withNode: boolean }): Promise<PackedPlatform>
  /** @throws RyoFaasError UNSUPPORTED without systemd, PART_FAILED */
  service(action: 'install' | 'upgrade' | 'uninstall' | 'status', flags: Record<string, unknown>): Promise<ServiceState>
  /**
   * Runs a further proxy until Ctrl-C.
   * @throws RyoFaasError ALREADY_RUNNING, PORT_TAKEN, INVALID_OPTION
   */
  runProxy(proxy: FurtherProxy, onReady: (is: { address: string }) => void): Promise<void>
  /** What can be set when the platform starts. */
  platformFlags(): Promise<PlatformFlag[]>
  /** Values that a start without flags would use. */
  resolvedOptions(): Promise<Record<string, unknown>>
  /** Opens a URL in the desktop's browser; does nothing if there is none. */
  openUrl(url: string): Promise<void>
  /** Folder of the package `@ryo-faas/runtime`. */
  runtimeDir: string
}

export interface Context extends CliHost {
  /** Name of the server that the command is for; undefined: this machine. */
  server: string | undefined
  output: Output
  /** Aborts on Ctrl-C. */
  signal: AbortSignal
  /** To the platform of this machine, or of the server. */
  connect(): Promise<AgentClient>
  /** Where a browser finds the same agent, and the token for it. */
  browserDoor(): Promise<{ url: string; token: string }>
  /** Port of this machine's loopback that leads to a port of the server's; the same one on this machine. */
  forward(port: number): Promise<number>
}

/** One command. `run` reports success by returning and failure by throwing a RyoFaasError. */
export interface Command {
  /** yargs notation, e.g. `scale <name> <instances>`. */
  usage: string
  describe: string
  /** Command lines without the program's name, each with what it does. */
  examples?: [line: string, what: string][]
  /** Accepts every option of the platform as a flag. */
  takesPlatformFlags?: true
  /** It is about this machine, whichever server was chosen. */
  place?: 'here'
  /** What these arguments destroy, such as `Stop hello`: on a server it is asked first. */
  destroys?(args: Record<string, unknown>): string | undefined
  /** Ctrl-C is its own business, however long it takes. */
  endsItself?: true
  options?(yargs: Argv): Argv
  run(args: Record<string, unknown>, context: Context): Promise<void>
}
