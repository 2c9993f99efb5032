/** A line of a function's output for the log channel. Pure, except that it looks whether files exist. */
import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { LogLine } from 'ryo-faas/contract'

/** `(src/hello.ts:3:9)` or `at src/hello.ts:3:9` in a stack trace. */
const FRAME = /(\s\(?)((?:file:\/\/)?[^\s():]+\.[cm]?[jt]sx?)(:\d+:\d+\)?)$/

const OWN_LEVEL = /^(DEBUG|INFO|WARN|ERROR) +(\[.*)$/
/** As the editor colours them. */
const LEVELS: Record<string, string> = { DEBUG: '[debug]', INFO: '[info]', WARN: '[warning]', ERROR: '[error]' }

/** Frames of the platform and of Node: no help in finding a mistake. The command line does show them. */
const FOREIGN_FRAME = /^\s+at .*(?:\/exported_[^/\s]+\.mjs:|\/\.?ryo-faas-runtime\.cjs:|\(?node:[\w/]+:)\d+:\d+\)?$/

export function isForeignFrame({ line }: Pick<LogLine, 'line'>): boolean {
  return FOREIGN_FRAME.test(line)
}

export function lineText(
  { time, stream, instance, line }: LogLine,
  { hasSeveral, filePath }: { hasSeveral: boolean; filePath: string | undefined },
): string {
  // Lines of `context().log` begin with their level.
  const [, own, rest] = OWN_LEVEL.exec(line) ?? []
  const level = own === undefined ? (stream === 'stderr' ? '[error]' : '[info]') : LEVELS[own]
  const who = hasSeveral ? ` ${instance}` : ''
  return `${localTime(time)} ${level}${who} ${linked(rest ?? line, filePath)}`
}

/** As in the editor's own logs: local time, in milliseconds. */
function localTime(iso: string): string {
  const time = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')
  return `${day} ${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** With the file of a frame made absolute. */
function linked(line: string, filePath: string | undefined): string {
  const [, before, path, place] = FRAME.exec(line) ?? []
  if (filePath === undefined || before === undefined || path === undefined || place === undefined) return line
  const file = fileOfFrame(path, filePath)
  return file === undefined ? line : line.replace(FRAME, `$1${file.replaceAll('$', '$$$$')}$3`)
}

/**
 * Frames name files relative to the package, which is one of the folders above the module.
 * @param filePath of the function's module
 * @returns the absolute path, if the file exists
 */
export function fileOfFrame(path: string, filePath: string): string | undefined {
  // Of another machine.
  if (!isAbsolute(filePath)) return undefined
  const plain = path.replace(/^file:\/\//, '')
  if (isAbsolute(plain) && existsSync(plain)) return plain
  for (let folder = dirname(filePath); ; folder = dirname(folder)) {
    // `/app/src/hello.ts` in a container: every tail of the path is tried, the longest first.
    const parts = plain.split('/').filter(part => part !== '' && part !== '.' && part !== '..')
    for (let from = 0; from < parts.length; from++) {
      const candidate = join(folder, ...parts.slice(from))
      if (existsSync(candidate)) return candidate
    }
    if (folder === dirname(folder)) return undefined
  }
}
