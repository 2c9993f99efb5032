/**
 * Shows the user's own lines in stack traces. Node can do that itself (`--enable-source-maps`), but then it reads the
 * map of every module while it loads, which costs each idle function memory and boot time; this reads the one map of
 * the bundle when the first stack is looked at.
 *
 * Invariant: whatever goes wrong here, there is a stack: at worst with the lines of the bundle.
 */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { basename, dirname, resolve } from 'node:path'

/** @param bundle path of the running module; its map lies beside it as `<bundle>.map`. */
export function mapStacks(bundle: string): void {
  const ending = `/${basename(bundle)}`
  let map: SourceMap | undefined
  let isRead = false

  function mapOf(): SourceMap | undefined {
    if (!isRead) {
      isRead = true
      try {
        map = new SourceMap(
          JSON.parse(readFileSync(`${bundle}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0],
        )
      } catch {
        map = undefined // No map, or not one: the lines of the bundle have to do.
      }
    }
    return map
  }

  function show(frame: NodeJS.CallSite): string {
    const text = (frame as unknown as { toString(): string }).toString()
    const file = frame.getFileName()
    const [line, column] = [frame.getLineNumber(), frame.getColumnNumber()]
    if (!file?.endsWith(ending) || line === null || column === null) return text
    // Lines and columns count from 0 in the map and from 1 in a stack.
    const entry = mapOf()?.findEntry(line - 1, column - 1)
    if (!entry || !('originalSource' in entry)) return text
    const source = resolve(dirname(bundle), entry.originalSource)
    const place = `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
    return text.replace(`${file}:${line}:${column}`, place)
  }

  Error.prepareStackTrace = (error, frames) => {
    const head = headOf(error)
    return frames.length === 0 ? head : `${head}\n    at ${frames.map(show).join('\n    at ')}`
  }
}

function headOf(error: Error): string {
  try {
    return String(error)
  } catch {
    return '<error>' // Its own toString throws, as V8 also allows for.
  }
}
