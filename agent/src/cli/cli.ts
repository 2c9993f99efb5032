/**
 * The command line. Invariants: exit 0 on success, 1 on the user's mistake (message and what to do, no stack), 70 on
 * ours (EX_SOFTWARE), 130 if Ctrl-C cancelled the running work; `--json` puts one JSON result on stdout and nothing
 * else. Of the commands only the one that runs is loaded.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import yargs, { type Argv } from 'yargs'
import {
  AgentClient,
  browserAddress,
  chosenServer,
  connectTo,
  forwardFrom,
  LOCAL,
  readAgentFile,
} from '../client/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { commandNames, loadAll, loadCommand } from './command-table.ts'
import { Reported } from './commands/reported.ts'
import { confirm, YES } from './confirm.ts'
import type { CliHost, Command, Context, PlatformFlag } from './context.ts'
import { overview } from './help.ts'
import { Output, type Streams } from './output.ts'
import { checkNumbers, usageError } from './usage-error.ts'

const COMPLETION_FLAG = '--get-yargs-completions'
const CANCEL_MS = 2_000

export interface CliOptions extends Streams {
  argv: string[]
  host: CliHost
  signal: AbortSignal
}

/** Runs one command line and returns the exit code. */
export async function runCli({ argv, host, signal, ...streams }: CliOptions): Promise<number> {
  const output = new Output(streams, argv.includes('--json'))
  const onWaiting = (what: string) => output.note(what)
  const connect = () => AgentClient.connect(host.home, { signal, onWaiting, isKept: host.isKept })
  const browserDoor = async () => {
    const { agent, token } = (await readAgentFile(host.home))!
    return { url: agent.url, token }
  }
  const forward = async (port: number) => port
  const context: Context = { ...host, server: undefined, output, signal, connect, browserDoor, forward }
  try {
    if (asksForNames(argv)) return await printNames(context, streams)
    const line = usual(argv)
    if (line[0] === '--help' || line[0] === '-h') {
      streams.stdout.write(overview(await loadAll(), output))
      return 0
    }
    const command = await loadCommand(line[0])
    const commands = command === undefined ? await loadAll() : [command]
    const flags = commands.some(({ takesPlatformFlags }) => takesPlatformFlags) ? await host.platformFlags() : []
    const running = buildParser(line, { commands, flags }, context).parseAsync()
    await (command?.endsItself ? running : Promise.race([running, cancelled(signal)]))
    return 0
  } catch (error) {
    const failure = RyoFaasError.from(error)
    if (!(failure instanceof Reported && failure.silent)) output.error(failure)
    if (failure.code === 'INTERNAL' && !output.json) output.note(String((error as Error).stack))
    // As a shell reports a program that SIGINT ended.
    return failure.code === 'CANCELLED' && signal.aborted ? 130 : failure.exitCode
  }
}

/** Other names of commands, as other programs have them. */
const ALIASES: Partial<Record<string, string>> = { start: 'startFaas', up: 'startFaas', down: 'stopFaas' }

/** Accepts what people know from other programs. */
function usual(argv: string[]): string[] {
  const [first, ...rest] = argv
  if (first === undefined) return ['--help']
  if (first === 'help') return [...usual(rest), '--help']
  if (first === 'version' || first === '-v') return ['--version', ...rest]
  return [commandOf(first), ...rest]
}

/** In any case of letters. */
function commandOf(word: string): string {
  const lower = word.toLowerCase()
  return ALIASES[lower] ?? commandNames().find(name => name.toLowerCase() === lower) ?? word
}

/** Cancelled commands end by themselves and may undo something first; this gives them a moment. */
async function cancelled(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  await delay(CANCEL_MS)
  throw new RyoFaasError('CANCELLED', 'cancelled')
}

/** Missing from the types of yargs. */
interface Untyped {
  getOptions(): { key: Record<string, unknown> }
  getInternalMethods(): { getUsageInstance(): { cacheHelpMessage(): void } }
}

interface Grammar {
  commands: readonly Command[]
  flags: readonly PlatformFlag[]
}

function buildParser(argv: string[], { commands, flags }: Grammar, context: Context): Argv {
  const parser = yargs(argv)
    .scriptName('ryo-faas')
    .usage('$0 <command>\n\nRun your own functions: TypeScript handlers in their own containers, on this machine.')
    .option('json', { type: 'boolean', default: false, global: true, describe: 'Print one JSON result' })
    .option('server', {
      type: 'string',
      nargs: 1,
      global: true,
      describe:
        'Server that the command is for, a name or an address [$RYO_FAAS_SERVER] [default: the one of "server use", or local]',
    })
    .version(context.version)
    .help()
    .alias('help', 'h')
    .strict()
    .recommendCommands()
    .demandCommand(1, 'A command is required.')
    .wrap(Math.min(110, context.output.width))
    .exitProcess(false)
    // `usage-error.ts` parses its messages.
    .locale('en')
    .fail((message, error) => {
      // Errors of yargs itself are mistakes on the command line, too.
      if (error !== undefined && error.name !== 'YError') throw error
      const usage = commands.map(command => command.usage).find(known => known.split(' ')[0] === argv[0])
      const { key } = (parser as unknown as Untyped).getOptions()
      throw usageError(message ?? error?.message ?? 'invalid command line', {
        argv,
        usage,
        options: Object.keys(key),
      })
    })
    .completion('completion', 'Print a completion script for bash or zsh (depending on $SHELL)')
  // As soon as a command runs, it would lay out its whole help for a later `getHelp()`, which nobody calls: 25 ms.
  ;(parser as unknown as Untyped).getInternalMethods().getUsageInstance().cacheHelpMessage = () => undefined
  for (const command of commands) {
    parser.command(
      command.usage,
      command.describe,
      builder => {
        if (command.destroys !== undefined) builder.option('yes', YES)
        const configured = command.options?.(builder) ?? builder
        for (const [line, what] of command.examples ?? []) configured.example(`$0 ${line}`, what)
        return command.takesPlatformFlags ? withPlatformFlags(configured, flags) : configured
      },
      async args => {
        checkNumbers(args, command.usage)
        const aimed = await aim(command, args, context)
        return command.run(aimed.args, aimed.context)
      },
    )
  }
  return parser
}

/** At this machine or the chosen server; before something is destroyed on a server, its name is asked about. */
async function aim(command: Command, args: Record<string, unknown>, context: Context) {
  const server = args['server'] as string | undefined
  if (command.place === 'here') {
    if (server === undefined || server === LOCAL) return { args, context }
    throw new RyoFaasError('INVALID_OPTION', `${command.usage.split(' ')[0]} is about this machine: omit --server`, {
      hint: 'ryo-faas server --help shows what can be done with a server.',
    })
  }
  const { home, environment, signal } = context
  const choice = { home, environment, server }
  const chosen = await chosenServer(choice)
  if (chosen === undefined) return { args, context }
  let client: ReturnType<Context['connect']> | undefined
  const connect = () =>
    (client ??= connectTo(chosen, { ...choice, signal, onWaiting: what => context.output.note(what) }))
  const browserDoor = async () => {
    const { url } = await browserAddress(chosen, { environment, signal })
    return { url, token: chosen.server.token }
  }
  const forward = async (port: number) => (await forwardFrom(chosen, port, { environment, signal })).port
  const aimed: Context = { ...context, server: chosen.name, connect, browserDoor, forward }
  const what = command.destroys?.(args)
  if (what === undefined) return { args, context: aimed }
  await confirm(`${what} on the server ${chosen.name}?`, args['yes'] === true, aimed)
  return { args: { ...args, yes: true }, context: aimed }
}

function withPlatformFlags(builder: Argv, flags: readonly PlatformFlag[]): Argv {
  for (const flag of flags) {
    const option = flag.name.replace(/([A-Z])/g, '-$1').toLowerCase()
    builder.option(option, {
      type: 'string',
      describe: `${flag.help} [$${flag.variable}] [default: ${String(flag.default)}]`,
    })
  }
  return builder
}

const TAKES_NAME = new Set(['details', 'invoke', 'logs', 'open', 'stop', 'scale', 'rollback', 'schedules'])

/** Shell completion takes words from the parser, but names of deployments from the agent, if it responds. */
function asksForNames(argv: string[]): boolean {
  return argv[0] === COMPLETION_FLAG && argv.some(word => TAKES_NAME.has(word)) && !argv.at(-1)!.startsWith('-')
}

async function printNames(context: Context, { stdout }: Pick<Streams, 'stdout'>): Promise<number> {
  try {
    const { deployments } = await (await context.connect()).call('deployments', {}, AbortSignal.timeout(1000))
    for (const { name } of deployments) stdout.write(`${name}\n`)
  } catch {
    // No platform, no names; a completion has nowhere to complain.
  }
  return 0
}
