/**
 * What a module threw while loading, as a problem in the user's file: read from the last lines of the instance,
 * where the runtime has already mapped the frames to the sources.
 */
import { existsSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import type { Problem } from '../../contract/index.ts'
import type { LoadedCode } from '../language.ts'
import { findPackage, packageNameOf, packageOfFile } from './builder/node-packages.ts'

/** `at main (/app/src/hello.ts:1:21)`, `at /app/hello.ts:1:21`, `at async file:///…`; not those of a cause. */
const FRAME = /^ {4}at (?:.*\()?(?:file:\/\/)?([^():]+):(\d+):(\d+)\)?$/
const ANY_FRAME = /^ {4}at /
const HEAD = /^(?:\S+ could not start: )?([A-Z][\w$]*(?: \[\w+\])?: .*|[A-Z][\w$]*Error)$/
/** What a process prints only if the error was fatal: Node's last line, or the runtime's message. */
const DEATH = /^(?:Node\.js v\d|\S+ could not start: )/

/** `undefined` if it did not die of an error in a file of the package. */
export function loadProblem(lines: readonly string[], code: LoadedCode): Problem | undefined {
  if (!lines.some(line => DEATH.test(line))) return undefined
  const end = lines.findLastIndex(line => ANY_FRAME.test(line)) + 1
  const start = lines.slice(0, end).findLastIndex(line => HEAD.test(line))
  const message = HEAD.exec(lines[start] ?? '')?.[1]
  if (message === undefined) return undefined
  const hint = unbundledHint(message, code)
  const more = hint === undefined ? {} : { hint }
  for (const line of lines.slice(start, end)) {
    const [, path, row, column] = FRAME.exec(line) ?? []
    const file = path === undefined ? undefined : sourceOf(path, code)
    if (file === undefined) continue
    return { code: 'load-failed', message, file, line: Number(row), column: Number(column), ...more }
  }
  const manifest = join(code.packageDir, 'package.json')
  if (hint === undefined || !existsSync(manifest)) return undefined
  return { code: 'load-failed', message, file: manifest, line: 1, column: 1, hint }
}

/** A package looked for a file of its own, or for another package, in the `node_modules` that a bundle does without. */
function unbundledHint(message: string, { packageDir }: LoadedCode): string | undefined {
  const [, wanted] = /(?:\bENOENT\b[^']*|Cannot find (?:module|package) )'([^']+)'/.exec(message) ?? []
  if (wanted === undefined) return undefined
  const name = packageOfFile(wanted)?.name ?? packageNameOf(wanted)
  if (name === undefined || findPackage(name, packageDir) === undefined) return undefined
  return `If ${name} does not work in a bundle, take it along as it is: "unbundled": ["${name}"] in deploy.json`
}

/** The user's file, not the bundle itself or a package. */
function sourceOf(path: string, { codeFolder, packageDir }: LoadedCode): string | undefined {
  const file = resolve(packageDir, relative(codeFolder, path))
  return path.includes(`${sep}node_modules${sep}`) || !existsSync(file) ? undefined : file
}
