/**
 * What is wrong with a command line, and what to type instead. yargs reports it as a sentence and nothing else; this is
 * the one place that takes it apart. An unknown sentence is passed on.
 */
import { nearMatch, RyoFaasError } from '../contract/index.ts'

export interface CommandLine {
  argv: readonly string[]
  /** Usage of the command that was meant, e.g. `scale <name> <instances>`. */
  usage: string | undefined
  /** Names of all options it accepts. */
  options: readonly string[]
}

interface Explanation {
  message: string
  hint: string
}

type Explain = (found: RegExpExecArray, line: CommandLine) => Explanation

const EXPLANATIONS: [RegExp, Explain][] = [
  [
    /^Not enough non-option arguments: got (\d+)/,
    ([, got], { usage = '' }) => {
      const names = [...usage.matchAll(/<(\w+)[.]*>/g)].map(([, name]) => name)
      return { message: `<${names[Number(got)] ?? 'argument'}> is missing`, hint: usageOf(usage) }
    },
  ],
  [
    /^Unknown arguments?: ("[^"]*"|[^,]*)/,
    ([, word = ''], { usage }) =>
      usage === undefined
        ? { message: `unknown command ${JSON.stringify(word)}`, hint: 'ryo-faas --help lists the commands.' }
        : { message: `unexpected argument ${JSON.stringify(word)}`, hint: usageOf(usage) },
  ],
  [
    /^Did you mean (.+)\?$/,
    ([, name], { argv }) => ({
      message: `unknown command ${JSON.stringify(argv.find(word => !word.startsWith('-')) ?? '')}`,
      hint: `Did you mean ${name}?`,
    }),
  ],
  [
    /^Invalid values:\n {2}Argument: (\S+), Given: (.*), Choices: (.*)$/m,
    ([, key = '', given = '', listed = ''], { options, usage = '' }) => {
      const choices = listed.split(', ').map(choice => choice.replaceAll('"', ''))
      const isPositional = new RegExp(`[<[]${key}[.\\]>]`).test(usage) || !options.includes(key)
      const near = nearMatch(given.replaceAll('"', ''), choices)
      return {
        message: `${isPositional ? `<${key}>` : `--${key}`} cannot be ${given}`,
        hint: near === undefined ? `Use one of ${choices.join(', ')}.` : `Did you mean ${near}?`,
      }
    },
  ],
  [
    /^Not enough arguments following: (\S+)/,
    ([, name], { usage }) => ({ message: `--${name} needs a value`, hint: helpOf(usage) }),
  ],
]

/** @param said by yargs */
export function usageError(said: string, line: CommandLine): RyoFaasError {
  const { message, hint } = unknownOption(line) ?? translate(said, line)
  return new RyoFaasError('INVALID_OPTION', message, { hint })
}

/** @throws RyoFaasError INVALID_OPTION if an argument must be a number and is not */
export function checkNumbers(args: Record<string, unknown>, usage: string): void {
  const name = Object.keys(args).find(key => Number.isNaN(args[key]))
  if (name === undefined) return
  const shown = new RegExp(`[<[]${name}[\\]>]`).test(usage) ? `<${name}>` : `--${name}`
  throw new RyoFaasError('INVALID_OPTION', `${shown} must be a number`, { hint: usageOf(usage) })
}

function translate(said: string, line: CommandLine): Explanation {
  for (const [pattern, explain] of EXPLANATIONS) {
    const found = pattern.exec(said)
    if (found) return explain(found, line)
  }
  return { message: said, hint: helpOf(line.usage) }
}

/** Reported first: the value of a misspelled option looks like an unexpected argument. */
function unknownOption({ argv, options, usage }: CommandLine): Explanation | undefined {
  const end = argv.indexOf('--')
  for (const word of end === -1 ? argv : argv.slice(0, end)) {
    const [, dashes = '', name = ''] = /^(--?)([a-zA-Z][^=]*)/.exec(word) ?? []
    const isKnown = [name, name.replace(/^no-/, ''), dashed(name)].some(known => options.includes(known))
    // yargs splits `-xvalue` in its own way.
    if (dashes === '' || isKnown || (dashes === '-' && options.includes(name[0]!))) continue
    const near = nearMatch(name, dashes === '--' ? options.filter(option => option.length > 1) : [])
    const hint = near === undefined ? helpOf(usage) : `Did you mean --${near}?`
    return { message: `unknown option ${dashes}${name}`, hint }
  }
  return undefined
}

function dashed(name: string): string {
  return name.replace(/([A-Z])/g, '-$1').toLowerCase()
}

function usageOf(usage: string): string {
  return `Usage: ryo-faas ${usage}`
}

function helpOf(usage: string | undefined): string {
  return usage === undefined
    ? 'ryo-faas --help lists the commands.'
    : `ryo-faas ${usage.split(' ')[0]} --help shows its options.`
}
