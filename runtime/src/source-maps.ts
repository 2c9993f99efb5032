/**
 * Shows the user's own lines in stack traces. Node can do that itself (`--enable-source-maps`), but then it reads the
 * map of every module while loading, which costs each idle function memory and boot time; this reads the one map of the
 * bundle when the first stack is formatted.
 *
 * Invariant: whatever goes wrong here, there is a stack, at worst with the lines of the bundle. An error thrown here
 * would replace the one that the user wants to see.
 */
import { readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { BundleMap } from './bundle-map.ts'

/** @param bundle path of the running module; its map is next to it as `<bundle>.map` */
export function mapStacks(bundle: string): void {
  const ending = `/${basename(bundle)}`
  let map: BundleMap | undefined
  let isRead = false

  function mapOf(): BundleMap | undefined {
    if (!isRead) {
      isRead = true // Also on failure: without a valid map, the lines of the bundle have to do.
      map = new BundleMap(readFileSync(`${bundle}.map`, 'utf8'))
    }
    return map
  }

  function placeOf(frame: NodeJS.CallSite): { inBundle: string; inSource: string } | undefined {
    const file = frame.getFileName()
    const [line, column] = [frame.getLineNumber(), frame.getColumnNumber()]
    if (!file?.endsWith(ending) || line === null || column === null) return undefined
    // Lines and columns count from 0 in the map and from 1 in a stack.
    const found = mapOf()?.find(line - 1, column - 1)
    if (found === undefined) return undefined
    const source = resolve(dirname(bundle), found.source)
    return { inBundle: `${file}:${line}:${column}`, inSource: `${source}:${found.line + 1}:${found.column + 1}` }
  }

  function show(frame: NodeJS.CallSite): string {
    const text = attempt(() => (frame as unknown as { toString(): string }).toString()) ?? '<anonymous>'
    const place = attempt(() => placeOf(frame))
    // A function, because `$` in a path has a meaning in a replacement string.
    return place === undefined ? text : text.replace(place.inBundle, () => place.inSource)
  }

  Error.prepareStackTrace = (error, frames) => {
    // An error's own toString may throw; V8 prints the same then.
    const head = attempt(() => String(error)) ?? '<error>'
    return frames.length === 0 ? head : `${head}\n    at ${frames.map(show).join('\n    at ')}`
  }
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get()
  } catch {
    return undefined
  }
}
