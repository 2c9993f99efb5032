/**
 * Reads the Huffman code of RFC 7541, Appendix B, four bits at a time.
 *
 * Invariants: 1. EOS in a text is an error. 2. Padding is fewer than eight bits, all of them ones (§5.2).
 */
import { CODE, ConnectionError } from './frames.ts'

/** Bits of the code of each byte and of EOS, in base 36. The code is canonical: they say it all. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f5656566657766' +
  '6567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqq' +
  'srrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu'
const EOS = 256
const LONGEST_PADDING = 7

interface Decoder {
  /** By state and four bits: the next state, or -1. */
  next: Int16Array
  /** By state and four bits: the byte that ends there, or -1. A code has at least five bits: there is one at most. */
  emits: Int16Array
  /** States in which a text may end. */
  mayEnd: Uint8Array
}
const { next, emits, mayEnd } = build()

function build(): Decoder {
  // The tree: two children for each node; what is below zero is a leaf.
  const tree: [number, number][] = [[0, 0]]
  const symbols = Array.from({ length: LENGTHS.length }, (_, symbol) => symbol)
  const bitsOf = (symbol: number) => Number.parseInt(LENGTHS[symbol]!, 36)
  let code = 0
  let bits = 0
  for (const symbol of symbols.sort((a, b) => bitsOf(a) - bitsOf(b) || a - b)) {
    code *= 2 ** (bitsOf(symbol) - bits)
    bits = bitsOf(symbol)
    let node = 0
    for (let at = bits - 1; at > 0; at -= 1) {
      const side = Math.floor(code / 2 ** at) % 2 === 1 ? 1 : 0
      if (tree[node]![side] === 0) tree[node]![side] = tree.push([0, 0]) - 1
      node = tree[node]![side]
    }
    tree[node]![code % 2 === 1 ? 1 : 0] = -1 - symbol
    code += 1
  }
  const decoder: Decoder = {
    next: new Int16Array(tree.length * 16),
    emits: new Int16Array(tree.length * 16).fill(-1),
    mayEnd: new Uint8Array(tree.length),
  }
  for (let state = 0; state < tree.length; state += 1) {
    for (let nibble = 0; nibble < 16; nibble += 1) {
      let node = state
      for (let at = 3; at >= 0 && node >= 0; at -= 1) {
        const child = tree[node]![((nibble >> at) & 1) as 0 | 1]
        if (child === -1 - EOS) node = -1
        else if (child < 0) {
          decoder.emits[state * 16 + nibble] = -1 - child
          node = 0
        } else node = child
      }
      decoder.next[state * 16 + nibble] = node
    }
  }
  for (let node = 0, depth = 0; depth <= LONGEST_PADDING; node = tree[node]![1], depth += 1) decoder.mayEnd[node] = 1
  return decoder
}

/**
 * @returns the text, one character per byte
 * @throws ConnectionError compression
 */
export function decodeHuffman(bytes: Buffer, from: number, to: number): string {
  // The shortest code has five bits.
  const text = Buffer.allocUnsafe(Math.ceil(((to - from) * 8) / 5))
  let length = 0
  let state = 0
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!
    let step = state * 16 + (byte >> 4)
    let emitted = emits[step]!
    if (emitted >= 0) text[length++] = emitted
    state = next[step]!
    if (state < 0) throw broken()
    step = state * 16 + (byte & 15)
    emitted = emits[step]!
    if (emitted >= 0) text[length++] = emitted
    state = next[step]!
    if (state < 0) throw broken()
  }
  if (mayEnd[state] !== 1) throw broken()
  return text.toString('latin1', 0, length)
}

function broken(): ConnectionError {
  return new ConnectionError(CODE.compression, 'malformed Huffman code')
}
