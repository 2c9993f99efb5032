/**
 * JSON as jsonb takes it. jsonb refuses U+0000 and halves of surrogate pairs, which JSON and JavaScript allow, so strings
 * that have them are written in another way. Invariants: 1. Values are ordered as `compareValues` orders what they stand
 * for. 2. Strings that are equal, or of which one contains the other, are so here too; the opposite is not always true, so
 * what was found by a string that is not `isPlain` has to be compared again. 3. Keys that differ, differ.
 */

/** Escapes in a JSON text; without one there is nothing to change (a raw U+0001 is not JSON). */
const ESCAPE = /\\u(?:000[01]|[dD][89a-fA-F])/
const NULS = /[\0\u0001]/g
const LONE = /\p{Cs}/gu
const LONE_APART = /(\p{Cs})/u
const REPLACEMENT = '\ufffd'

/** @param text JSON of finite numbers */
export function fieldsText(text: string): string {
  return ESCAPE.test(text) ? JSON.stringify(encoded(JSON.parse(text))) : text
}

export function fieldsValue(value: unknown): string {
  return fieldsText(JSON.stringify(value))
}

/** U+0000 and U+0001 as two characters, in their order and below all others; halves as `Buffer.from` has them. */
export function encodedString(text: string): string {
  return text.replace(NULS, found => (found === '\0' ? '\u0001\u0001' : '\u0001\u0002')).replace(LONE, REPLACEMENT)
}

export function encodedKey(key: string): string {
  return key
    .split(LONE_APART)
    .map((part, at) => (at % 2 === 0 ? encodedString(part) : `\u0001\u0003${part.charCodeAt(0)};`))
    .join('')
}

/** Nothing else is written as this is. */
export function isPlain(text: string): boolean {
  return !text.includes(REPLACEMENT) && text.search(LONE) < 0 && text.search(NULS) < 0
}

function encoded(value: unknown): unknown {
  if (typeof value === 'string') return encodedString(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(encoded)
  const result = Object.create(null) as Record<string, unknown>
  for (const [key, item] of Object.entries(value)) result[encodedKey(key)] = encoded(item)
  return result
}
