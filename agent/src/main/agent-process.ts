/** The agent with everything it is made of, once it is clear that this process is the agent of its home. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { destination, pino, stdTimeFunctions } from 'pino'
import { homePaths } from '../client/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { writeDurably } from '../host/index.ts'
import { Agent } from '../platform/agent.ts'
import type { Ahead } from '../platform/ahead.ts'
import { REFUSED } from '../platform/given-flags.ts'
import { findNode } from '../platform/node-binary.ts'
import { OPTION_HELP, PlatformOptions, resolveOptions } from '../platform/options.ts'

interface AgentProcess {
  home: string
  /** As JSON; `undefined` if there are none yet. */
  options: string | undefined
  /** Of a command line that has left them to us; `undefined`: its options say everything. */
  flags: Record<string, string> | undefined
  lock: { release(): Promise<void> }
  ahead: Ahead | undefined
}

/** Resolves when the platform runs; if it cannot start, the process exits. */
export async function runAgent({ home, options: saved, flags, lock, ahead }: AgentProcess): Promise<void> {
  const output = destination({ fd: 1, sync: true })
  // If the disk is full, lines are lost and the agent continues.
  output.on('error', () => undefined)
  const logger = pino({ base: null, timestamp: stdTimeFunctions.isoTime }, output)
  const { resolve } = createRequire(import.meta.url)
  const { version, build } = createRequire(import.meta.url)('../../package.json') as { version: string; build?: string }
  const leave = async (code: number): Promise<never> => {
    await lock.release()
    process.exit(code)
  }
  const earlier = JSON.parse(saved ?? '{}') as Record<string, unknown>
  const options = flags === undefined ? PlatformOptions.parse(earlier) : await accepted(flags, { home, earlier })
  if (options === undefined) {
    logger.info('it is started as usual: its flags say what the command line has to see to')
    return leave(REFUSED)
  }
  const opening = Agent.open({
    home,
    version,
    build,
    options,
    environment: process.env,
    runtimeDir: dirname(dirname(resolve('@ryo-faas/runtime/main'))),
    logger,
    ahead,
    onShutdown: () => void leave(0),
    // The lock of a process that is gone is nobody's.
    onEnd: code => process.exit(code),
  })
  // A bug must not leave a half-dead agent behind: the keeper starts a new one, and functions do not notice.
  process.on('uncaughtException', error => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(70)
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void opening.then(agent => agent.close()).finally(() => leave(0)))
  }
  try {
    await (await opening).start()
  } catch (error) {
    const failure = RyoFaasError.from(error)
    logger.error({ err: failure }, 'the platform cannot start')
    // If the disk is full, the log has to do.
    await writeDurably(homePaths(home).startFailure, JSON.stringify(failure.toBody())).catch(() => undefined)
    await leave(failure.exitCode)
  }
}

/** Writes down what the flags mean. @returns `undefined` if something is wrong with them, or another Node is to run this */
async function accepted(
  flags: Record<string, string>,
  { home, earlier }: { home: string; earlier: Record<string, unknown> },
): Promise<PlatformOptions | undefined> {
  try {
    if (Object.keys(flags).some(name => !(name in OPTION_HELP))) return undefined
    const options = resolveOptions(flags, process.env, earlier)
    if ((await findNode(options.node)) !== process.execPath) return undefined
    await writeDurably(homePaths(home).options, JSON.stringify(options))
    return options
  } catch {
    return undefined // The command line tells what is wrong.
  }
}
