/**
 * What to show of the output of an instance that died: it must contain the cause. Node prints causes below stacks, and
 * a library's advice below that, so the end alone may be nothing but advice.
 */
const MOST_LINES = 40
/** How many lines are examined. */
export const TAIL_LINES = 300

const FOREIGN_FRAME = /^\s+at .*(?:\bnode:|node_modules[\\/])/
const NAMES_ERROR = /\b\w*Error\b.*:/

/** All lines if they are few; otherwise the beginning, the end, and lines between them that name an error. */
export function tellingLines(lines: string[]): string[] {
  if (lines.length <= MOST_LINES) return lines
  const own = lines.filter(line => !FOREIGN_FRAME.test(line))
  if (own.length <= MOST_LINES) return own
  const end = MOST_LINES / 2
  const begin = MOST_LINES / 4
  const between = own.slice(begin, -end).filter(line => NAMES_ERROR.test(line))
  return [...own.slice(0, begin), '…', ...between.slice(-begin), '…', ...own.slice(-end)]
}
