/** Turns esbuild's messages into problems in the user's files. */
import { join } from 'node:path'
import type { Location, Message } from 'esbuild'
import type { Problem } from '../../../contract/index.ts'
import type { BundleRequest } from './build.ts'
import { entryName } from './entry-file.ts'

/** esbuild's message for an import that it does not find. */
export const MISSING = /^Could not resolve "([^"]+)"/

/** @param hintFor the hint for a bare import that was not found */
export function buildProblem(
  message: Message,
  request: BundleRequest,
  hintFor: (missing: string) => string | undefined,
): Problem {
  const { text, location } = message
  const missing = MISSING.exec(text)?.[1]
  const hint = ownHint(message) ?? ((missing !== undefined && hintFor(missing)) || location?.suggestion || undefined)
  return {
    code: 'build',
    message: text,
    ...place(location, request),
    ...(hint !== undefined && { hint }),
  }
}

/** The hint of one of our plugins. */
function ownHint(message: Message): string | undefined {
  const detail: unknown = message.detail
  if (typeof detail !== 'object' || detail === null || !('hint' in detail)) return undefined
  return typeof detail.hint === 'string' ? detail.hint : undefined
}

/** One line: `file:line:column: text`, the file as seen from the package. */
export function buildNote({ text, location }: Message): string {
  return location ? `${location.file}:${location.line}:${columns(location).column}: ${text}` : text
}

function place(
  location: Location | null,
  { name, packageDir, filePath }: BundleRequest,
): Omit<Problem, 'code' | 'message'> {
  // The entry is ours; its errors are about the module it imports.
  if (!location || location.file === `${entryName(name)}.ts`) return { file: filePath, line: 1, column: 1 }
  return {
    file: join(packageDir, location.file),
    line: location.line,
    ...columns(location),
    ...(location.length > 0 && { endLine: location.line }),
  }
}

/** esbuild counts UTF-8 bytes from 0, editors count UTF-16 units from 1. */
function columns({ lineText, column, length }: Location): { column: number; endColumn?: number } {
  const bytes = Buffer.from(lineText)
  const units = (end: number) => bytes.subarray(0, end).toString().length + 1
  return { column: units(column), ...(length > 0 && { endColumn: units(column + length) }) }
}
