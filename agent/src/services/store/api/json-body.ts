/** Reads JSON that came from outside: locates errors, and refuses what cannot be stored unchanged. */
import { visit } from 'jsonc-parser'
import { checkKeepable, StoreError } from '@ryo-faas/runtime/documents'

const SNIPPET = 20

/**
 * @param firstLine number of the text's first line, where it is a part of something larger
 * @throws StoreError INVALID_JSON with `offset`, `line` and `column` (from 1), TOO_DEEP
 */
export function parseJson(text: string, firstLine = 1): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid(text, firstLine, error as SyntaxError)
  }
  checkKeepable(value)
  return value
}

function invalid(text: string, firstLine: number, error: SyntaxError): StoreError {
  const offset = placeOf(text, error)
  const line = firstLine + text.slice(0, offset).split('\n').length - 1
  const column = offset - text.lastIndexOf('\n', offset - 1)
  const problem = offset >= text.length ? 'the text ends too early' : `unexpected ${JSON.stringify(text[offset])}`
  const near = JSON.stringify(text.slice(Math.max(0, offset - SNIPPET), offset + SNIPPET))
  return new StoreError('INVALID_JSON', `line ${line}, column ${column}: ${problem}, near ${near}`, {
    details: { offset, line, column },
    cause: error,
  })
}

/** V8 gives the position in some messages; otherwise a second parser finds it. */
function placeOf(text: string, { message }: SyntaxError): number {
  const told = /at position (\d+)/.exec(message)
  if (told !== null) return Number(told[1])
  let first = text.length
  try {
    const onError = (_: unknown, offset: number) => void (first = Math.min(first, offset))
    visit(text, { onError }, { disallowComments: true, allowTrailingComma: false })
  } catch (error) {
    // It goes down with the text; one that is too deep for it has to do without.
    if (!(error instanceof RangeError)) throw error
  }
  return first
}
