/**
 * Writes the fields of an answer (HPACK, RFC 7541) without the help of a table that the other side would have to keep:
 * what is spared on the wire would cost us more.
 *
 * Invariant: what only a connection of HTTP/1.1 has is left out (RFC 9113 §8.2.2).
 */
import { CONNECTION_HEADERS } from '@ryo-faas/runtime/protocol'
import { STATIC_TABLE } from './static-table.ts'

const MAX_KNOWN_NAMES = 512
const STATUS_INDEX = 8
/** Never to be put into a table, by anybody on the way (RFC 7541 §7.1.3). */
const SECRET = new Set(['set-cookie'])

/** Says that the table is empty from here on. */
export const NO_TABLE = '\x20'

const statuses = new Map<number, string>()
/** A name as it came, and how its field begins; empty: the field is left out. */
const names = new Map<string, string>()
const indices = new Map(STATIC_TABLE.map(([name], at) => [name, at + 1] as const).reverse())

export function statusField(status: number): string {
  let field = statuses.get(status)
  if (field === undefined) {
    const at = STATIC_TABLE.findIndex(([name, value]) => name === ':status' && value === String(status))
    field = at >= 0 ? String.fromCharCode(0x80 | (at + 1)) : integer(STATUS_INDEX, 4, 0) + text(String(status))
    statuses.set(status, field)
  }
  return field
}

/** @param value one character per byte */
export function field(name: string, value: string): string {
  let start = names.get(name)
  if (start === undefined) {
    start = startOf(name.toLowerCase())
    if (names.size >= MAX_KNOWN_NAMES) names.clear()
    names.set(name, start)
  }
  return start === '' ? '' : start + text(value)
}

function startOf(name: string): string {
  if (CONNECTION_HEADERS.has(name)) return ''
  const kind = SECRET.has(name) ? 0x10 : 0
  const index = indices.get(name)
  return index === undefined ? String.fromCharCode(kind) + text(name) : integer(index, 4, kind)
}

function text(value: string): string {
  return value.length < 127 ? String.fromCharCode(value.length) + value : integer(value.length, 7, 0) + value
}

/** RFC 7541 §5.1. */
function integer(value: number, prefixBits: number, start: number): string {
  const most = (1 << prefixBits) - 1
  if (value < most) return String.fromCharCode(start | value)
  let bytes = String.fromCharCode(start | most)
  let rest = value - most
  for (; rest >= 128; rest >>>= 7) bytes += String.fromCharCode((rest & 127) | 128)
  return bytes + String.fromCharCode(rest)
}
