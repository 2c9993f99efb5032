/** Splits a stream of bytes into lines, however they are cut. Invariant: never holds more than one line of `mostBytes`. */
import { StoreError } from '@ryo-faas/runtime/documents'

export interface Line {
  /** Counts from 1. */
  number: number
  text: string
}

const NEWLINE = 10

/** Empty lines are counted and left out. @throws StoreError BODY_TOO_LARGE */
export async function* readLines(pieces: AsyncIterable<Buffer>, mostBytes: number): AsyncGenerator<Line> {
  let held: Buffer[] = []
  let heldBytes = 0
  let number = 1
  const take = (end: Buffer): Line | undefined => {
    const text = Buffer.concat([...held, end])
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trim()
    held = []
    heldBytes = 0
    return text === '' ? undefined : { number, text }
  }
  for await (const piece of pieces) {
    let from = 0
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      const line = take(piece.subarray(from, at))
      if (line !== undefined) yield line
      number += 1
      from = at + 1
    }
    held.push(piece.subarray(from))
    heldBytes += piece.length - from
    if (heldBytes > mostBytes) {
      throw new StoreError('BODY_TOO_LARGE', `line ${number} is longer than ${mostBytes} bytes`, {
        details: { line: number },
      })
    }
  }
  const last = take(Buffer.alloc(0))
  if (last !== undefined) yield last
}
