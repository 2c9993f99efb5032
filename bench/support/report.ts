/** The results of a bench, and how to show them: on a terminal and in Markdown. */
import Table from 'cli-table3'
import type { Stage } from './stage.ts'

export interface Bench {
  name: string
  title: string
  /** How it is measured, in a sentence or two. */
  method: string
  run(stage: Stage): Promise<Report>
}

export interface Report {
  tables: Figures[]
  goals: Goal[]
}

export interface Figures {
  title?: string
  /** The first column names the row. */
  head: string[]
  rows: string[][]
}

export interface Goal {
  what: string
  measured: number
  unit: '×' | 'ms' | 'MiB' | '%' | ''
  bound: { kind: 'at most' | 'at least'; limit: number }
}

export function isReached({ measured, bound }: Goal): boolean {
  return bound.kind === 'at most' ? measured <= bound.limit : measured >= bound.limit
}

export function asText({ title, method }: Bench, { tables, goals }: Report): string {
  const drawn = tables.map(figures => {
    const table = new Table({
      head: figures.head,
      colAligns: figures.head.map((_, column) => (column === 0 ? 'left' : 'right')),
      style: { head: [], border: [] },
    })
    table.push(...figures.rows)
    return `${figures.title === undefined ? '' : `${figures.title}\n`}${table.toString()}`
  })
  return [title.toUpperCase(), method, ...drawn, ...goals.map(goalLine)].join('\n')
}

export function asMarkdown({ title, method }: Bench, { tables, goals }: Report): string {
  const drawn = tables.map(({ title: caption, head, rows }) => {
    const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
    const lines = [head, rule, ...rows].map(cells => `| ${cells.map(escaped).join(' | ')} |`)
    return [...(caption === undefined ? [] : [`**${caption}**`, '']), ...lines].join('\n')
  })
  const list = goals.map(goal => `- ${goalLine(goal)}`).join('\n')
  return [`## ${title}`, method, ...drawn, ...(list === '' ? [] : [list])].join('\n\n')
}

/** At least three significant digits, and no more than the measurement justifies. */
export function figure(value: number, unit = ''): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return Number.isNaN(value) ? '–' : `${value.toFixed(digits)}${unit}`
}

export function times(value: number): string {
  return `${value.toFixed(2)} ×`
}

function goalLine(goal: Goal): string {
  const { what, measured, unit, bound } = goal
  const shown = unit === '×' ? times : (value: number) => figure(value, unit === '' ? '' : ` ${unit}`)
  return `${isReached(goal) ? 'reached' : 'NOT REACHED'}: ${what}: ${shown(measured)} (goal: ${bound.kind} ${shown(bound.limit)})`
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|')
}
