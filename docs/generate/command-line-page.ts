/** The page for the command line: what each command's `--help` prints. */
import { Writable } from 'node:stream'
import { runCli } from '../../agent/src/cli/cli.ts'
import { groupNames } from '../../agent/src/cli/command-table.ts'
import { OPTION_HELP, PlatformOptions, variableOf } from '../../agent/src/platform/options.ts'
import { block, code, pageHead } from './markdown.ts'

type CliOptions = Parameters<typeof runCli>[0]

const COLUMNS = 80

export async function commandLinePage(version: string): Promise<string> {
  const sections: string[] = []
  for (const [group, names] of groupNames()) {
    sections.push(`## ${group}\n`)
    for (const name of names) sections.push(`### ${name}\n\n${block('text', await helpOf([name], version))}`)
  }
  return [
    pageHead(
      'Command line',
      `What ${code('ryo-faas --help')} prints, and the help of each command. Every command accepts ${code('--json')} and exits with 0, 1 (your error, with a fix), 70 (our error) or 130 (you pressed Ctrl-C).`,
      [2, 3],
    ),
    block('text', await helpOf([], version)),
    ...sections,
  ].join('\n')
}

async function helpOf(command: string[], version: string): Promise<string> {
  let printed = ''
  const write = (chunk: Buffer, _encoding: unknown, done: () => void) => {
    printed += chunk.toString()
    done()
  }
  const sink = Object.assign(new Writable({ write }), { columns: COLUMNS }) as unknown as NodeJS.WriteStream
  const argv = [...command, '--help']
  const { log } = console
  // The library for arguments prints nowhere else.
  console.log = (text: string) => (printed += `${text}\n`)
  try {
    const signal = new AbortController().signal
    const code = await runCli({ argv, stdout: sink, stderr: sink, environment: {}, signal, host: hostOf(version) })
    if (code !== 0) throw new Error(`ryo-faas ${argv.join(' ')} exited ${code}: ${printed}`)
  } finally {
    console.log = log
  }
  return printed
}

/** As much as a command needs to describe itself. */
function hostOf(version: string): CliOptions['host'] {
  const defaults = PlatformOptions.parse({})
  const flags = Object.entries(OPTION_HELP).map(([name, help]) => ({
    name,
    help,
    default: defaults[name as keyof PlatformOptions],
    variable: variableOf(name),
  }))
  const host = { version, environment: {}, cwd: '/', home: '/', platformFlags: async () => flags }
  return host as unknown as CliOptions['host']
}
