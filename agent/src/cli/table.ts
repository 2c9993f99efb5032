/**
 * Tables that fit the terminal: columns that matter less are left out first, then the widest cells are cut. Without a
 * width nothing is lost.
 */
import { stripVTControlCharacters } from 'node:util'
import { eastAsianWidth } from 'get-east-asian-width'

export interface TableOptions {
  /** Columns of the terminal; undefined: as wide as needed. */
  width: number | undefined
  /** Heads of the columns that may be left out, the first one first. */
  expendable?: readonly string[]
}

const GAP = '  '
/** A cell is not cut below this. */
const MIN_CELL = 8

const ASCII = /^[\x20-\x7e]*$/
const COMBINING = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]$/u

/** @param head one for each column; rows have as many cells, which may have colours */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width = Infinity, expendable = [] }: TableOptions,
): string[] {
  let columns = head.map((title, index) => {
    const cells = [title, ...rows.map(row => row[index] ?? '')]
    return { title, cells, width: Math.max(...cells.map(widthOf)) }
  })
  const total = () => columns.reduce((sum, column) => sum + column.width, GAP.length * (columns.length - 1))
  for (const title of expendable) {
    if (total() <= width) break
    columns = columns.filter(column => column.title !== title)
  }
  while (total() > width) {
    const widest = columns.reduce((a, b) => (b.width > a.width ? b : a))
    if (widest.width <= MIN_CELL) break
    widest.width = Math.max(MIN_CELL, widest.width - (total() - width))
  }
  return [head, ...rows].map((_, row) =>
    columns
      .map(column => fitted(column.cells[row]!, column.width))
      .join(GAP)
      .trimEnd(),
  )
}

function fitted(text: string, width: number): string {
  const missing = width - widthOf(text)
  if (missing >= 0) return text + ' '.repeat(missing)
  // Without its colours, which could be cut in the middle.
  let short = stripVTControlCharacters(text)
  while (widthOf(short) > width - 1) short = short.slice(0, -1)
  return `${short}…`
}

function widthOf(text: string): number {
  const plain = stripVTControlCharacters(text)
  if (ASCII.test(plain)) return plain.length
  // By code points: a library that knows clusters too takes longer to load than most commands to run.
  let width = 0
  for (const character of plain) if (!COMBINING.test(character)) width += eastAsianWidth(character.codePointAt(0)!)
  return width
}
