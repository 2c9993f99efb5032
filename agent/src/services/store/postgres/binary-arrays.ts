/**
 * Arrays as PostgreSQL sends them in binary (array_send in arrayfuncs.c). The driver would write them as text, where every
 * quote of a JSON text has to be escaped by us and read again there: half of the time of a write.
 */
const OID = { text: 25, jsonb: 3802, bigint: 20, int: 23 } as const
const HEAD_BYTES = 20

function arrayOf(oid: number, items: readonly (Buffer | undefined)[]): Buffer {
  const bytes = items.reduce((sum, item) => sum + 4 + (item?.length ?? 0), 0)
  const array = Buffer.allocUnsafe(HEAD_BYTES + bytes)
  array.writeInt32BE(1, 0) // dimensions
  array.writeInt32BE(items.includes(undefined) ? 1 : 0, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(items.length, 12)
  array.writeInt32BE(1, 16) // lower bound
  let at = HEAD_BYTES
  for (const item of items) {
    at = array.writeInt32BE(item?.length ?? -1, at)
    if (item !== undefined) at += item.copy(array, at)
  }
  return array
}

/** `undefined` is NULL. */
export function textArray(texts: readonly (string | undefined)[]): Buffer {
  return arrayOf(
    OID.text,
    texts.map(text => (text === undefined ? undefined : Buffer.from(text))),
  )
}

/** @param texts JSON that jsonb takes; see `fields.ts` */
export function jsonbArray(texts: readonly string[]): Buffer {
  // The first byte is the version of the format (jsonb_recv).
  return arrayOf(
    OID.jsonb,
    texts.map(text => Buffer.from(`\u0001${text}`)),
  )
}

export function bigintArray(numbers: readonly number[]): Buffer {
  return arrayOf(
    OID.bigint,
    numbers.map(number => {
      const item = Buffer.allocUnsafe(8)
      item.writeBigInt64BE(BigInt(number))
      return item
    }),
  )
}

export function intArray(numbers: readonly number[]): Buffer {
  return arrayOf(
    OID.int,
    numbers.map(number => {
      const item = Buffer.allocUnsafe(4)
      item.writeInt32BE(number)
      return item
    }),
  )
}
