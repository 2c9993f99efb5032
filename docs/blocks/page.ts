/**
 * The pages of the documentation and their fenced blocks. What follows the language tells the tests what to do:
 *
 *     ```ts [src/hello.ts]          is written to that file of the page's folder, and type-checked
 *     ```ts                         is type-checked as a module of its own
 *     ```ts [a.ts] untyped          is not: the types of Node 20, by which we compile, do not have what it uses
 *     ```json, ```jsonc             is parsed; a deploy.json is validated
 *     ```console                    is run in the page's folder, in order; `$` begins a command
 *     ```console fails              its last command exits with 1
 *     ```text                       is output or a drawing
 *     ```… no-test: the reason      cannot be run here
 *
 * In expected output `…` stands for anything in a line, a line `…` for any lines, and durations are never compared.
 * After a command that runs until it is stopped, the last line is `^C`.
 */
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export const DOCS = fileURLToPath(new URL('../', import.meta.url))

export interface Block {
  language: string
  file?: string
  /** Why it cannot be run here. */
  reason?: string
  /** `fails` */
  flags: string
  text: string
  line: number
}

export interface Page {
  /** `guide/store` */
  name: string
  text: string
  blocks: Block[]
}

const FENCE = /^( *)(`{3,})(\S*)(.*)$/
const INFO = /^(?: \[(?<file>[^\]]+)\])?(?<flags>(?: [a-z]+)*?)(?: no-test: (?<reason>.+))?$/
const GENERATED = 'Made by `npm run docs:generate`'
const NOT_PAGES = ['.vitepress', 'generate', 'blocks', 'public', 'node_modules']

/** Pages that people write, by name. */
export async function readPages(): Promise<Page[]> {
  const files = (await readdir(DOCS, { recursive: true }))
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.md') && !NOT_PAGES.includes(file.split('/')[0]!))
    .sort()
  const pages = await Promise.all(
    files.map(async file => ({ name: file.slice(0, -3), text: await readFile(DOCS + file, 'utf8') })),
  )
  return pages
    .filter(({ text }) => !text.includes(GENERATED))
    .map(({ name, text }) => ({ name, text, blocks: blocksOf(text) }))
}

/** @throws for a block that does not end, and for an info string of another form */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence, language, info] = FENCE.exec(lines[at]!) ?? []
    if (fence === undefined) continue
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence)
    if (end < 0) throw new Error(`the block of line ${at + 1} does not end`)
    const groups = INFO.exec(info!.trimEnd())?.groups
    if (!groups) throw new Error(`line ${at + 1}: ${info!.trim()} is not understood`)
    blocks.push({
      language: language!,
      ...(groups['file'] !== undefined && { file: groups['file'] }),
      ...(groups['reason'] !== undefined && { reason: groups['reason'] }),
      flags: groups['flags']!.trim(),
      text: lines
        .slice(at + 1, end)
        .map(line => line.slice(indent!.length) + '\n')
        .join(''),
      line: at + 1,
    })
    at = end
  }
  return blocks
}

export interface Command {
  command: string
  expected: string[]
  /** It runs until it is stopped. */
  isStopped: boolean
}

/** @throws if it does not begin with a command */
export function commandsOf({ text, line }: Block): Command[] {
  const commands: Command[] = []
  const lines = text.trimEnd().split('\n')
  for (let at = 0; at < lines.length; at++) {
    const current = lines[at]!
    if (current.startsWith('$ ')) {
      let command = current.slice(2)
      while (command.endsWith('\\')) command = command + '\n' + lines[++at]!
      commands.push({ command, expected: [], isStopped: false })
    } else if (commands.length === 0) throw new Error(`line ${line}: a console block begins with $`)
    else if (current === '^C') commands.at(-1)!.isStopped = true
    else commands.at(-1)!.expected.push(current)
  }
  return commands
}

export interface OutputLine {
  text: string
  /** What a command tells while it works: a terminal may not keep it. */
  isNote: boolean
}

/** Whether output is what a page shows. Notes may be left out. */
export function isExpected(output: OutputLine[], expected: string[], mayGoOn = false): boolean {
  const [line, ...more] = expected
  const [first, ...rest] = output
  if (line === undefined) return mayGoOn || output.every(({ text, isNote }) => isNote || text.trim() === '')
  if (line.trim() === '…') {
    return isExpected(output, more, mayGoOn) || (first !== undefined && isExpected(rest, expected, mayGoOn))
  }
  if (first === undefined) return expected.every(text => text.trim() === '')
  if (isLine(first.text, line) && isExpected(rest, more, mayGoOn)) return true
  return first.isNote && isExpected(rest, expected, mayGoOn)
}

function isLine(text: string, expected: string): boolean {
  const pattern = withoutTimes(expected).trimEnd().split('…').map(escape).join('.*')
  return new RegExp(`^${pattern}$`).test(withoutTimes(text).trimEnd())
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}

function withoutTimes(text: string): string {
  return text.replaceAll(/\b\d+(?:\.\d+)? (?:ms|s|min)\b/g, '0 ms')
}
