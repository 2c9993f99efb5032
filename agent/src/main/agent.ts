/** Entry of the agent's process: `agent.js <home>`. Its options are in `<home>/run/options.json`. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { destination, pino, stdTimeFunctions } from 'pino'
import { Agent } from '../platform/agent.ts'
import { homePaths } from '../client/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { closeHome } from '../platform/home-data.ts'
import { acquireProcessLock, readIfPresent, writeDurably } from '../host/index.ts'
import { PlatformOptions } from '../platform/options.ts'

const home = process.argv[2]
if (home === undefined) throw new Error('usage: agent.js <home>')
const paths = homePaths(home)
const output = destination({ fd: 1, sync: true })
// If the disk is full, lines are lost and the agent continues.
output.on('error', () => undefined)
const logger = pino({ base: null, timestamp: stdTimeFunctions.isoTime }, output)
const { resolve } = createRequire(import.meta.url)
const { version, build } = createRequire(import.meta.url)('../../package.json') as { version: string; build?: string }

const lock = await acquireProcessLock(paths.lock)
if (lock.kind === 'held') {
  logger.info({ holder: lock.holder.pid }, 'another agent is running in this home')
  process.exit(0)
}
await closeHome(home)
const saved = await readIfPresent(paths.options)
if (saved === undefined) {
  logger.info('the platform of this home was stopped')
  await lock.release()
  process.exit(0)
}

const leave = async (code: number): Promise<never> => {
  await lock.release()
  process.exit(code)
}
const opening = Agent.open({
  home,
  version,
  build,
  options: PlatformOptions.parse(JSON.parse(saved)),
  environment: process.env,
  runtimeDir: dirname(dirname(resolve('@ryo-faas/runtime/main'))),
  logger,
  onShutdown: () => void leave(0),
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
  await writeDurably(paths.startFailure, JSON.stringify(failure.toBody())).catch(() => undefined)
  await leave(failure.exitCode)
}
