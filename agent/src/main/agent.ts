/**
 * Entry of the agent's process: `agent.js <home>`. Its options are in `<home>/run/options.json`, unless it is given flags
 * (`platform/given-flags.ts`). What the agent is made of is loaded while the processes of its parts boot.
 */
import { homePaths } from '../client/home-paths.ts'
import { acquireProcessLock, readIfPresent } from '../host/index.ts'
import { Ahead } from '../platform/ahead.ts'
import { givenFlags, REFUSED } from '../platform/given-flags.ts'
import { closeHome } from '../platform/home-data.ts'

const home = process.argv[2]
if (home === undefined) throw new Error('usage: agent.js <home>')
const paths = homePaths(home)
const flags = givenFlags(process.argv)

const lock = await acquireProcessLock(paths.lock)
if (lock.kind === 'held') {
  say('another agent is running in this home', { holder: lock.holder.pid })
  process.exit(0)
}
await closeHome(home)
const options = await readIfPresent(paths.options)
if (options === undefined && flags === undefined) {
  say('the platform of this home was stopped')
  await lock.release()
  process.exit(0)
}
const isAdopting = (await readIfPresent(paths.agentFile)) !== undefined
if (isAdopting && flags !== undefined) {
  say('it is started as usual: an earlier agent has left something')
  await lock.release()
  process.exit(REFUSED)
}
const ahead = isAdopting
  ? undefined
  : Ahead.start(home, { options: JSON.parse(options ?? '{}'), flags, environment: process.env })
await ahead?.spawned()
const { runAgent } = await import('./agent-process.ts')
await runAgent({ home, options, flags, lock, ahead })

/** As the agent's log has it. */
function say(msg: string, more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ level: 30, time: new Date().toISOString(), ...more, msg })}\n`)
}
