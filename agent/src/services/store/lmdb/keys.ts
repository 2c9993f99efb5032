/** Keys of the environment's databases. Numbers are big endian, so that bytes compare like them. */
import { orderKeyLength } from './order-key.ts'

/** Space of a table or number of an index: 4 bytes in front of the rest. */
export function prefixed(number: number, ...rest: (Uint8Array | string)[]): Buffer {
  const [first = '', second] = rest
  const firstBytes = typeof first === 'string' ? Buffer.byteLength(first) : first.length
  const secondBytes = second === undefined ? 0 : typeof second === 'string' ? Buffer.byteLength(second) : second.length
  const key = Buffer.allocUnsafe(4 + firstBytes + secondBytes)
  key.writeUInt32BE(number, 0)
  place(key, first, 4)
  if (second !== undefined) place(key, second, 4 + firstBytes)
  return key
}

/** The id in a key of `documents` or `versions`. */
export function idOf(key: Buffer): string {
  return key.toString('utf8', 4)
}

/** Value and id in a key of `index`. */
export function entryOf(key: Buffer): { value: Buffer; id: string } {
  const end = 4 + orderKeyLength(key.subarray(4))
  return { value: Buffer.from(key.subarray(4, end)), id: key.toString('utf8', end) }
}

export function sequenceKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt32BE(Math.floor(sequence / 2 ** 32), 0)
  key.writeUInt32BE(sequence % 2 ** 32, 4)
  return key
}

export function sequenceOf(key: Buffer): number {
  return key.readUInt32BE(0) * 2 ** 32 + key.readUInt32BE(4)
}

/** FNV-1a over UTF-16 units: tells the events of a table from nearly all others before they are parsed. */
export function digestOf(table: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < table.length; at += 1) hash = Math.imul(hash ^ table.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

function place(key: Buffer, part: Uint8Array | string, at: number): void {
  if (typeof part === 'string') key.write(part, at)
  else key.set(part, at)
}
