/**
 * `ryo-faas startFaas` without loading what other command lines need. The agent begins
 * earlier, and has the second core to itself and its parts: it is the one that looks at the flags.
 */
import { existsSync } from 'node:fs'
import {
  homePaths,
  quickAnswers,
  quickStream,
  readAgentRecord,
  type AgentClient,
  type AgentFile,
} from '../client/index.ts'
import { RyoFaasError, type PlatformView } from '../contract/index.ts'
import { bringUp } from './commands/bring-up.ts'
import { printStarted } from './commands/platform-table.ts'
import type { LaunchedAgent } from './context.ts'
import { abortOnSignals } from './interrupt.ts'
import { formatDuration, Output, type Streams } from './output.ts'

interface Host {
  home: string
  version: string
  launchAgent(flags: Record<string, string>): Promise<LaunchedAgent & { wasRefused(): boolean }>
  agentGone(agent: AgentFile): Promise<unknown>
}

/** @returns the exit code; undefined if this command line needs what is not loaded yet; nothing was done then */
export async function quickStart(
  argv: readonly string[],
  { home, version, launchAgent, agentGone }: Host,
  streams: Streams,
): Promise<number | undefined> {
  const asked = parse(argv)
  // What runs, or was killed, is not for the quick.
  if (asked === undefined || existsSync(homePaths(home).agentFile)) return undefined
  const begin = performance.now()
  const output = new Output(streams, asked.json)
  const signal = abortOnSignals()
  let launched: Awaited<ReturnType<typeof launchAgent>> | undefined
  try {
    const platform = await bringUp({
      ...{ home, output, signal, agentGone },
      look: async () => (await quickAnswers({ home, version }, ['/v1/platform']))?.[0] as PlatformView | undefined,
      found: () =>
        readAgentRecord(home).then(
          ({ agent }) => agent,
          () => undefined,
        ),
      connect: async () => ({ stream: events({ home, version }) }),
      launchAgent: async () => (launched = await launchAgent(asked.flags)),
    })
    // Another start was faster: nobody has looked at the flags of this one.
    if (launched?.state() !== 'lives') return undefined
    printStarted(platform, `started in ${formatDuration(performance.now() - begin)}`, output)
    return 0
  } catch (error) {
    const failure = RyoFaasError.from(error)
    // The ordinary command line says what is wrong with the flags or the home, or offers to install what is missing.
    const isLeft = launched === undefined || launched.wasRefused() || failure.code === 'NATS_UNAVAILABLE'
    if (isLeft && !signal.aborted) return undefined
    output.error(failure)
    if (failure.code === 'INTERNAL' && !output.json) output.note(String((error as Error).stack))
    return failure.code === 'CANCELLED' && signal.aborted ? 130 : failure.exitCode
  }
}

/** The agent's events, not validated: it is the one that we have started. */
function events(platform: { home: string; version: string }): AgentClient['stream'] {
  const stream: unknown = async function* (_: 'events', _input: object, signal: AbortSignal) {
    const ask = await quickStream(platform)
    if (ask !== undefined) yield* ask('/v1/events', { signal })
  }
  return stream as AgentClient['stream']
}

interface Asked {
  json: boolean
  /** Names as the options have them. */
  flags: Record<string, string>
}

const FLAG = /^--([a-z]+(?:-[a-z]+)*)(?:=(.+))?$/
/** What the command line itself has to see to. */
const OTHERS = new Set(['help', 'yes', 'takeOver', 'server', 'node', 'version'])

/** Flags with one value each; whatever is not like that is left to the parser that knows all. */
function parse(argv: readonly string[]): Asked | undefined {
  const asked: Asked = { json: false, flags: {} }
  const words = argv.slice(1)
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--json') {
      asked.json = true
      continue
    }
    const [, kebab, given] = FLAG.exec(word) ?? []
    const name = kebab?.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (name === undefined || OTHERS.has(name) || name in asked.flags) return undefined
    const value = given ?? words.shift()
    if (value === undefined || value === '' || value.startsWith('-')) return undefined
    asked.flags[name] = value
  }
  return asked
}
