/**
 * JSON values as bytes that compare like the values: absent < null < false < true < numbers < strings < arrays and
 * objects. Strings compare by code points, and only their first part counts (an entry must fit a key), so a
 * comparison must look at the value itself too. All arrays and objects are the same to an order.
 *
 * Invariant: no encoding is the beginning of another one, so an id can follow it.
 *
 * By hand, because `ordered-binary`, which comes with lmdb, does not keep this order: it takes neither objects nor absent
 * values, tells -0 from 0, and from 64 characters on leaves a NUL in a string as it is, so that what follows in the string
 * is taken for the id (1.6.3). Indexes on disk hold these keys: another encoding would have to build all of them again.
 */
const ABSENT = 1
const NULL = 2
const FALSE = 3
const TRUE = 4
const NUMBER = 5
const STRING = 6
const COMPOUND = 7
/** Bytes of a string that count. With an id, both escaped at worst, a key stays within the engine's 1978 bytes. */
const STRING_LIMIT = 600

const SINGLE = Array.from({ length: 8 }, (_, tag) => Uint8Array.of(tag))

/** @param value `undefined` means that the document lacks the field. */
export function orderKey(value: unknown): Uint8Array {
  switch (typeof value) {
    case 'undefined':
      return SINGLE[ABSENT]!
    case 'boolean':
      return SINGLE[value ? TRUE : FALSE]!
    case 'number':
      return numberKey(value)
    case 'string':
      return stringKey(value)
    default:
      return SINGLE[value === null ? NULL : COMPOUND]!
  }
}

/** The least key that is greater than every key of values of this type. */
export function endOfType(value: number | string): Uint8Array {
  return SINGLE[typeof value === 'number' ? STRING : COMPOUND]!
}

/** The least key of values of this type. */
export function startOfType(value: number | string): Uint8Array {
  return SINGLE[typeof value === 'number' ? NUMBER : STRING]!
}

/** The least key that is greater than every key that begins with `key`. */
export function justAfter(key: Uint8Array): Uint8Array {
  const next = Uint8Array.from(key)
  for (let at = next.length - 1; at >= 0; at -= 1) {
    if (next[at]! < 255) {
      next[at]! += 1
      return next.subarray(0, at + 1)
    }
  }
  throw new Error('there is nothing after this key') // Every key begins with a small tag.
}

/** Length of the encoding at the start of `bytes`, in which an id follows. */
export function orderKeyLength(bytes: Uint8Array): number {
  if (bytes[0] === NUMBER) return 9
  if (bytes[0] !== STRING) return 1
  let at = 1
  while (bytes[at] !== 0 || bytes[at + 1] !== 1) at += bytes[at] === 0 ? 2 : 1
  return at + 2
}

/** IEEE 754 with the sign flipped for positive numbers, all bits for negative ones. */
function numberKey(value: number): Uint8Array {
  const key = Buffer.allocUnsafe(9)
  key[0] = NUMBER
  key.writeDoubleBE(value === 0 ? 0 : value, 1) // -0 is 0
  if (key[1]! < 128) key[1]! ^= 128
  else for (let at = 1; at < 9; at += 1) key[at]! ^= 255
  return key
}

/** Ends in 0 1; a 0 inside becomes 0 255. */
function stringKey(value: string): Uint8Array {
  const whole = Buffer.from(value.length > STRING_LIMIT ? value.slice(0, STRING_LIMIT) : value)
  const text = whole.length > STRING_LIMIT ? whole.subarray(0, STRING_LIMIT) : whole
  if (!text.includes(0)) {
    const key = Buffer.allocUnsafe(text.length + 3)
    key[0] = STRING
    key.set(text, 1)
    key[text.length + 1] = 0
    key[text.length + 2] = 1
    return key
  }
  const bytes = [STRING]
  for (const byte of text) {
    if (byte === 0) bytes.push(0, 255)
    else bytes.push(byte)
  }
  return Uint8Array.from([...bytes, 0, 1])
}
