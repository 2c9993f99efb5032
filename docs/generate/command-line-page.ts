/** The page for the command line: what each command's `--help` prints. */
import { Writable } from 'node:stream'
import { runCli } from '../../agent/src/cli/index.ts'
import { OPTION_HELP, PlatformOptions, variableOf } from '../../agent/src/platform/options.ts'
import { block, code, pageHead } from './markdown.ts'

const COLUMNS = 80
/** `  ryo-faas deploy [file]   Deploy all functions of a deploy.json` */
const COMMAND_LINE = /^ {2}ryo-faas ([a-zA-Z]+)(?: |$)/gm

export async function commandLinePage(version: string): Promise<string> {
  const help = await helpOf([], version)
  const names = [...new Set([...help.matchAll(COMMAND_LINE)].map(([, name]) => name!))]
  const sections: string[] = []
  // The script for completion is for the shell.
  for (const name of names.filter(name => name !== 'completion'))
    sections.push(`## ${name}\n\n${block('text', await helpOf([name], version))}`)
  return [
    pageHead(
      'Command line',
      `What ${code('ryo-faas --help')} prints, and the help of each command. Every command accepts ${code('--json')} and exits with 0, 1 (your error, with a fix) or 70 (our error).`,
    ),
    block('text', help),
    ...sections,
  ].join('\n')
}

async function helpOf(command: string[], version: string): Promise<string> {
  let printed = ''
  const sink = () =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        printed += chunk.toString()
        done()
      },
    }) as unknown as NodeJS.WriteStream
  const defaults = PlatformOptions.parse({})
  const host = {
    version,
    environment: {},
    cwd: '/',
    home: '/',
    platformFlags: Object.entries(OPTION_HELP).map(([name, text]) => ({
      name,
      help: text,
      default: defaults[name as keyof PlatformOptions],
      variable: variableOf(name),
    })),
  } as unknown as Parameters<typeof runCli>[0]['host']
  const { log } = console
  const { columns } = process.stdout
  console.log = (text: string) => (printed += `${text}\n`)
  process.stdout.columns = COLUMNS
  try {
    const argv = [...command, '--help']
    const signal = new AbortController().signal
    const code = await runCli({ argv, stdout: sink(), stderr: sink(), environment: {}, signal, host })
    if (code !== 0) throw new Error(`ryo-faas ${argv.join(' ')} exited ${code}: ${printed}`)
  } finally {
    console.log = log
    process.stdout.columns = columns
  }
  return printed
}
