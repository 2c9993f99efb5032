import { join } from 'node:path'
import type { Problem } from '../../contract/index.ts'
import type { LoadedCode } from '../language.ts'

/** What a module raised while it was loading, from its traceback: the last place in it that is the user's. */
export function loadProblem(lines: readonly string[], { codeFolder, packageDir }: LoadedCode): Problem | undefined {
  const places = lines.flatMap(line => {
    const [, file, number] = /^\s+File "([^"]+)", line (\d+)/.exec(line) ?? []
    const path = file?.startsWith(`${codeFolder}/`) ? file.slice(codeFolder.length + 1) : undefined
    return path === undefined || path.startsWith('.runtime/') || /^exported_[^/]*\.py$/.test(path)
      ? []
      : [{ path, line: Number(number) }]
  })
  const place = places.at(-1)
  const message = lines.findLast(line => /^[\w.]+(?:Error|Exception|Exit|Interrupt|Warning)\b/.test(line))
  if (place === undefined || message === undefined) return undefined
  return { code: 'load-failed', message, file: join(packageDir, place.path), line: place.line, column: 1 }
}
