/** The help of the whole program; each command's own comes from its options. */
import { groupNames } from './command-table.ts'
import type { Command } from './context.ts'
import type { Output } from './output.ts'

const ABOUT = 'Run your own functions: TypeScript handlers in their own containers, on this machine.'

const EXAMPLES: [line: string, what: string][] = [
  ['dev', 'develop: start, deploy on every save, show logs (in an empty folder: make a project)'],
  ['deploy shop --only checkout', 'deploy one function of the project in the folder shop'],
  ['invoke hello --data @body.json', 'call a function'],
  ['logs hello --follow', 'watch what it prints'],
  ['stopFaas', 'stop everything; data is kept'],
]
const GLOBAL: [line: string, what: string][] = [
  ['completion', 'Print a completion script: ryo-faas completion >> ~/.bashrc (or ~/.zshrc)'],
  ['help <command>', 'Options and examples of a command'],
  ['--server NAME', 'Do it on that server (ryo-faas server add), with every command that fits'],
  ['--json', 'Print one JSON result, with every command'],
  ['--version, -v', 'Print the version'],
]
const MAX_WIDTH = 110

export function overview(commands: readonly Command[], { colors, width }: Output): string {
  const { bold, dim } = colors
  const lines: string[] = [`${bold('ryo-faas')} <command>`, '', ...wrap(ABOUT, width), '']
  const add = (title: string, rows: [string, string][]) => {
    lines.push(bold(title), ...columns(rows, Math.min(width, MAX_WIDTH)), '')
  }
  for (const [group, names] of groupNames()) {
    const members = commands.filter(({ usage }) => names.includes(usage.split(' ')[0]!))
    add(
      group,
      members.map(({ usage, describe }) => [usage, describe]),
    )
  }
  add('More', GLOBAL)
  add(
    'Examples',
    EXAMPLES.map(([line, what]) => [`ryo-faas ${line}`, what]),
  )
  lines.push(dim('startFaas and stopFaas are also called up and down.'))
  return `${lines.join('\n')}\n`
}

/** Two columns; what is long continues below its beginning. */
function columns(rows: [string, string][], width: number): string[] {
  const left = Math.min(Math.max(...rows.map(([text]) => text.length)), Math.floor(width / 2) - 4)
  return rows.flatMap(([text, what]) => {
    const [first = '', ...rest] = wrap(what, width - left - 4)
    const indent = ' '.repeat(left + 4)
    const head = text.length > left ? [`  ${text}`, indent + first] : [`  ${text.padEnd(left)}  ${first}`]
    return [...head, ...rest.map(line => indent + line)]
  })
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
