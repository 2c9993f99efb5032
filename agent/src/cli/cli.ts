/**
 * The command line. Invariants: exit 0 on success, 1 on the user's mistake (message and what to do, no stack), 70 on
 * ours (EX_SOFTWARE); Ctrl-C cancels the running work; `--json` puts one JSON result on stdout and nothing else.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import yargs, { type Argv } from 'yargs'
import { AgentClient } from '../client/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { calls } from './commands/calls.ts'
import { check } from './commands/check.ts'
import { dashboard } from './commands/dashboard.ts'
import { deploy, Reported } from './commands/deploy.ts'
import { details } from './commands/details.ts'
import { env } from './commands/env.ts'
import { init } from './commands/init.ts'
import { invoke } from './commands/invoke.ts'
import { list } from './commands/list.ts'
import { logs } from './commands/logs.ts'
import { prune, reset, rollback, scale, stop } from './commands/operations.ts'
import { schedules } from './commands/schedules.ts'
import { secrets } from './commands/secrets.ts'
import { startFaas } from './commands/start-faas.ts'
import { store } from './commands/store.ts'
import { stopFaas } from './commands/stop-faas.ts'
import { top } from './commands/top.ts'
import { traces } from './commands/traces.ts'
import type { CliHost, Command, Context } from './context.ts'
import { Output, type Streams } from './output.ts'
import { checkNumbers, usageError } from './usage-error.ts'

const COMMANDS: Command[] = [startFaas, stopFaas, deploy, check, details, list, invoke, logs, stop, scale, rollback]
COMMANDS.push(calls, schedules, store, traces, top, dashboard, secrets, init, env, prune, reset)

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
  const context: Context = { ...host, output, signal, connect: () => AgentClient.connect(host.home, signal) }
  try {
    if (asksForNames(argv)) return await printNames(context, streams)
    await Promise.race([buildParser(usual(argv), context).parseAsync(), cancelled(signal)])
    return 0
  } catch (error) {
    const failure = RyoFaasError.from(error)
    if (!(failure instanceof Reported && failure.silent)) output.error(failure)
    if (failure.code === 'INTERNAL' && !output.json) output.note(String((error as Error).stack))
    return failure.exitCode
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
  const names = COMMANDS.map(({ usage }) => usage.split(' ')[0]!)
  return ALIASES[lower] ?? names.find(name => name.toLowerCase() === lower) ?? word
}

/** Cancelled commands end by themselves and may undo something first; this gives them a moment. */
async function cancelled(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  await delay(CANCEL_MS)
  throw new RyoFaasError('CANCELLED', 'cancelled')
}

/** Missing from the types of yargs. */
interface WithOptions {
  getOptions(): { key: Record<string, unknown> }
}

function buildParser(argv: string[], context: Context): Argv {
  const parser = yargs(argv)
    .scriptName('ryo-faas')
    .usage('$0 <command>\n\nRun your own functions: TypeScript handlers in their own containers, on this machine.')
    .option('json', { type: 'boolean', default: false, global: true, describe: 'Print one JSON result' })
    .version(context.version)
    .help()
    .alias('help', 'h')
    .strict()
    .recommendCommands()
    .demandCommand(1, 'A command is required.')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    // `usage-error.ts` parses its messages.
    .locale('en')
    .fail((message, error) => {
      // Errors of yargs itself are mistakes on the command line, too.
      if (error !== undefined && error.name !== 'YError') throw error
      const usage = COMMANDS.map(command => command.usage).find(known => known.split(' ')[0] === argv[0])
      const { key } = (parser as unknown as WithOptions).getOptions()
      throw usageError(message ?? error?.message ?? 'invalid command line', {
        argv,
        usage,
        options: Object.keys(key),
      })
    })
    .completion('completion', 'Print a completion script for bash or zsh (depending on $SHELL)')
  for (const command of COMMANDS) {
    parser.command(
      command.usage,
      command.describe,
      builder => {
        const configured = command.options?.(builder) ?? builder
        return command === startFaas ? withPlatformFlags(configured, context) : configured
      },
      args => {
        checkNumbers(args, command.usage)
        return command.run(args, context)
      },
    )
  }
  return parser
}

function withPlatformFlags(builder: Argv, context: Context): Argv {
  for (const flag of context.platformFlags) {
    const option = flag.name.replace(/([A-Z])/g, '-$1').toLowerCase()
    builder.option(option, {
      type: 'string',
      describe: `${flag.help} [$${flag.variable}] [default: ${String(flag.default)}]`,
    })
  }
  return builder
}

const TAKES_NAME = new Set(['details', 'invoke', 'logs', 'stop', 'scale', 'rollback', 'schedules'])

/** Shell completion takes words from the parser, but names of deployments from the agent, if it responds. */
function asksForNames(argv: string[]): boolean {
  return argv[0] === COMPLETION_FLAG && argv.some(word => TAKES_NAME.has(word))
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
