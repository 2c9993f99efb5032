/**
 * Starts and stops the platform by its command line, which knows how: it finds what is running, restarts what died, and
 * prints one JSON answer. It comes with the extension, is in a checkout, or is named by a setting. What starts the
 * platform is run from the home, because the platform outlives the extension's folder.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ErrorBody, PlatformView, RyoFaasError, type DeployEvent } from 'ryo-faas/contract'
import { removeAgents, ShippedAgent } from './shipped-agent.ts'

export interface AgentProcessOptions {
  /** Folder of the extension. */
  extensionPath: string
  environment: NodeJS.ProcessEnv
  /** Node that this code runs on, and whether it is Electron's. */
  execPath: string
  isElectron: boolean
  home: string
  /** What the user set; read at every start. */
  settings(): AgentSettings
  log(line: string): void
}

export interface AgentSettings {
  /** `ryo-faas.js` in another installation. */
  cliPath: string | undefined
  nodePath: string | undefined
  /** `startFaas` flags: `{ port: 0, engine: 'process' }`. */
  startOptions: Record<string, unknown>
}

interface Run {
  signal: AbortSignal
  report?: ((step: string) => void) | undefined
  /** That an answer tells everything, whatever the exit code. */
  isWhole?: (answer: unknown) => boolean
}

/** What `deploy --json` prints. */
export interface DeployReport {
  deployed: Extract<DeployEvent, { type: 'deployed' }>[]
  failed: Extract<DeployEvent, { type: 'failed' }>[]
  error?: ErrorBody
}

const OLDEST_NODE = [20, 19] as const

export class AgentProcess {
  readonly #options: AgentProcessOptions
  readonly #shipped: ShippedAgent
  #systemNode: Promise<string | undefined> | undefined

  constructor(options: AgentProcessOptions) {
    this.#options = options
    this.#shipped = new ShippedAgent(options.extensionPath)
  }

  /** The build that a start would run, if it comes with the extension. */
  async build(): Promise<string | undefined> {
    return this.#ownCli() === undefined ? this.#shipped.build() : undefined
  }

  /** @throws RyoFaasError as the command line gives it; CANCELLED */
  async start(signal: AbortSignal): Promise<PlatformView> {
    const flags = Object.entries(this.#options.settings().startOptions).flatMap(([name, value]) => [
      `--${name.replace(/([A-Z])/g, '-$1').toLowerCase()}`,
      String(value),
    ])
    const cli = this.#ownCli() ?? (await this.#shipped.install(this.#options.home))
    return PlatformView.parse(await this.#run(cli, ['startFaas', ...flags], { signal }))
  }

  async stop({ prune }: { prune: boolean }, signal: AbortSignal): Promise<string[]> {
    const flags = prune ? ['--prune', '--yes'] : []
    const answer = (await this.run(['stopFaas', ...flags], signal)) as { stopped: string[] }
    if (prune) await removeAgents(this.#options.home)
    return answer.stopped
  }

  /** A new project in a folder. */
  async init(folder: string, signal: AbortSignal): Promise<void> {
    await this.run(['init', folder], signal)
  }

  /**
   * Runs one command with `--json` and returns what it printed.
   * @param report is told of its steps
   */
  async run(args: string[], signal: AbortSignal, report?: (step: string) => void): Promise<unknown> {
    return await this.#run(this.#ownCli() ?? this.#shipped.cli, args, { signal, report })
  }

  /**
   * Deploys by the command line, which builds in its own process.
   * @returns what became of each function, failures too
   * @throws RyoFaasError if nothing was done; CANCELLED
   */
  async deploy(args: string[], signal: AbortSignal): Promise<DeployReport> {
    const isReport = (answer: unknown): answer is DeployReport => Array.isArray((answer as DeployReport)?.deployed)
    const cli = this.#ownCli() ?? this.#shipped.cli
    return (await this.#run(cli, ['deploy', ...args], { signal, isWhole: isReport })) as DeployReport
  }

  async #run(cli: string | undefined, args: string[], { signal, report, isWhole }: Run): Promise<unknown> {
    if (cli === undefined) {
      throw new RyoFaasError('INTERNAL', 'the extension does not contain the agent: it was not packed completely')
    }
    const { environment, home, log } = this.#options
    const { command, env } = await this.#node()
    log(`${command} ${[cli, ...args].join(' ')}`)
    const child = spawn(command, [cli, ...args, '--json'], {
      env: { ...environment, ...env, RYO_FAAS_HOME: home, ...(report && { RYO_FAAS_STEPS: '1' }) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const cancel = () => void child.kill('SIGINT')
    signal.addEventListener('abort', cancel)
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
      const step = text.trimEnd().split('\n').at(-1)
      if (step) report?.(step)
    })
    try {
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject).once('close', resolve)
      })
      if (signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled')
      return answerOf({ code, out, err }, isWhole)
    } catch (error) {
      if (error instanceof RyoFaasError) throw error
      throw new RyoFaasError('PART_FAILED', `cannot run ${command}: ${(error as Error).message}`, {
        hint: 'Set "ryo-faas.nodePath" to Node 20.19 or newer.',
        cause: error,
      })
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** In another installation that the user named, or in a checkout: that may be newer than what was packed from it. */
  #ownCli(): string | undefined {
    const { extensionPath } = this.#options
    const { cliPath } = this.#options.settings()
    if (cliPath) {
      if (existsSync(cliPath)) return cliPath
      throw new RyoFaasError('INVALID_OPTION', `${cliPath} does not exist`, {
        hint: 'Set "ryo-faas.cliPath" to the ryo-faas.js of an installation, or leave it empty.',
      })
    }
    const checkout = join(extensionPath, '..', 'agent', 'bin', 'ryo-faas.js')
    return existsSync(checkout) ? checkout : undefined
  }

  /** The user's choice, else the system's Node if it is new enough, else the one the editor runs on. */
  async #node(): Promise<{ command: string; env: NodeJS.ProcessEnv }> {
    const { execPath, isElectron } = this.#options
    const { nodePath } = this.#options.settings()
    if (nodePath) return { command: nodePath, env: {} }
    this.#systemNode ??= findSystemNode(this.#options.environment)
    const system = await this.#systemNode
    if (system !== undefined) return { command: system, env: {} }
    return { command: execPath, env: isElectron ? { ELECTRON_RUN_AS_NODE: '1' } : {} }
  }
}

async function findSystemNode(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    const command = join(folder, name)
    if (folder !== '' && existsSync(command) && (await isNewEnough(command, environment))) return command
  }
  return undefined
}

function isNewEnough(command: string, environment: NodeJS.ProcessEnv): Promise<boolean> {
  return new Promise(resolve => {
    const child = spawn(command, ['--version'], {
      env: environment,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child
      .once('error', () => resolve(false))
      .once('close', () => {
        const [major = 0, minor = 0] = out.replace('v', '').split('.').map(Number)
        resolve(major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]))
      })
  })
}

function answerOf(
  { code, out, err }: { code: number | null; out: string; err: string },
  isWhole: (answer: unknown) => boolean = () => code === 0,
): unknown {
  let answer: unknown
  try {
    answer = out.trim() === '' ? undefined : JSON.parse(out)
  } catch {
    // Not what it should have printed: reported below.
  }
  if (answer !== undefined && isWhole(answer)) return answer
  const error = ErrorBody.safeParse((answer as { error?: unknown } | undefined)?.error)
  if (error.success) throw RyoFaasError.fromBody(error.data)
  const said = `${out}${err}`.trim().slice(-2000)
  throw new RyoFaasError(
    'INTERNAL',
    `the ryo-faas command line exited with ${code}${said ? `: ${said}` : ' and no output'}`,
  )
}
