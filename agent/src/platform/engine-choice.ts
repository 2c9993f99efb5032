/** Chooses the engine: Docker if it answers, else processes (`auto`), or what the user named. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { NativeSurroundings } from '../languages/index.ts'
import {
  baseImageLibraries,
  DockerEngine,
  ProcessEngine,
  connectDocker,
  type DockerConnection,
  type Engine,
} from '../engines/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import type { PlatformOptions } from './options.ts'

export interface ChosenEngine {
  engine: Engine
  /** For parts that are containers themselves. */
  docker: DockerConnection | undefined
  /** What native addons find where functions run; nothing is known of an image that is pulled. */
  surroundings: () => Promise<NativeSurroundings>
}

const NO_ISOLATION = 'functions run as plain processes of this user, with no isolation; CPU is not limited'

/** What a function run as a process gets of our environment: nothing that is ours. */
const PASSED_ON = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'NODE_EXTRA_CA_CERTS']

export interface EngineContext {
  home: string
  nodePath: string
  environment: NodeJS.ProcessEnv
  /** What an earlier agent left running is on this engine. */
  runsOn: Engine['kind'] | undefined
}

/** @throws RyoFaasError DOCKER_UNREACHABLE if Docker was asked for by name, or functions run there. */
export async function chooseEngine(
  options: PlatformOptions,
  { home, nodePath, environment, runsOn }: EngineContext,
): Promise<ChosenEngine> {
  let why = 'chosen by --engine process'
  if (options.engine === 'process' && options.egress === 'none') throw notConfined('--engine process')
  if (options.engine !== 'process') {
    try {
      const docker = await connectDocker(environment)
      const { project, egress } = options
      const baseImage = baseImageOf(options.baseImage, nodePath)
      // A published port, over which this machine would reach them, is a way out as well.
      if (egress === 'none' && docker.reach === 'published') throw notConfined(docker.note)
      const engine = new DockerEngine({ ...docker, project, egress, home, baseImage })
      const assembled = baseImage.kind === 'assemble'
      return { engine, docker, surroundings: () => (assembled ? imageSurroundings(nodePath) : Promise.resolve({})) }
    } catch (error) {
      if (options.engine === 'docker' || options.egress === 'none') throw error
      if (runsOn === 'docker') throw stillInDocker(error)
      why = (error as Error).message
    }
  }
  const baseEnv = Object.fromEntries(
    PASSED_ON.flatMap(name => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  ) as Record<string, string>
  const note = `processes (${why}): ${NO_ISOLATION}`
  const engine = new ProcessEngine({ project: options.project, home, nodePath, baseEnv, note })
  return { engine, docker: undefined, surroundings: async () => ({ modules: await modulesOf(nodePath) }) }
}

async function imageSurroundings(nodePath: string): Promise<NativeSurroundings> {
  const [modules, libraries] = await Promise.all([modulesOf(nodePath), baseImageLibraries(nodePath)])
  return { modules, libraries }
}

/** NODE_MODULE_VERSION of a Node. */
async function modulesOf(nodePath: string): Promise<string> {
  if (nodePath === process.execPath) return process.versions.modules
  const { stdout } = await promisify(execFile)(nodePath, ['-p', 'process.versions.modules'])
  return stdout.trim()
}

/** Docker may be restarting. Processes next to the containers would be two of each function, and unisolated. */
function stillInDocker(error: unknown): RyoFaasError {
  const { message } = error as Error
  return new RyoFaasError('DOCKER_UNREACHABLE', `the functions of this platform run in Docker; ${message}`, {
    hint: 'It is tried again by itself. If Docker is not to come back: ryo-faas startFaas --engine process',
    cause: error,
  })
}

function notConfined(where: string): RyoFaasError {
  return new RyoFaasError('INVALID_OPTION', `--egress none cannot be kept with ${where}`, {
    hint: 'It needs Docker on this Linux machine. Leave --egress out to let functions reach the Internet.',
  })
}

/** The host's own Node makes a Linux image only on Linux. */
function baseImageOf(choice: string, nodePath: string) {
  const assemble = choice === 'assemble' || (choice === 'auto' && process.platform === 'linux')
  if (assemble) return { kind: 'assemble' as const, nodePath }
  return { kind: 'pull' as const, ref: choice === 'auto' ? 'node:24-slim' : choice }
}
