/** The agent with everything it is made of, once it is clear that this process is the agent of its home. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { destination, pino, stdTimeFunctions } from 'pino'
import { homePaths } from '../client/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { writeDurably } from '../host/index.ts'
import { Agent } from '../platform/agent.ts'
import type { Ahead } from '../platform/ahead.ts'
import { PlatformOptions } from '../platform/options.ts'

interface AgentProcess {
  home: string
  /** As JSON. */
  options: string
  lock: { release(): Promise<void> }
  ahead: Ahead | undefined
}

/** Resolves when the platform runs; if it cannot start, the process exits. */
export async function runAgent({ home, options, lock, ahead }: AgentProcess): Promise<void> {
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
  const opening = Agent.open({
    home,
    version,
    build,
    options: PlatformOptions.parse(JSON.parse(options)),
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
