/** A chart over time: uPlot, in the colours of the page. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { THEME_CHANGE } from './theme.ts'

export interface Line {
  label: string
  /** Number of a palette colour, from 1. */
  color: number
  /** Null is a gap. */
  values: (number | null)[]
}

export interface ChartProps {
  title: string
  /** Seconds since the epoch. */
  times: number[]
  lines: Line[]
  format: (value: number | null) => string
  /** Put ticks on whole numbers only. */
  whole?: boolean
}

const WHOLE_STEPS = [1, 2, 5]
  .flatMap(step => [0, 1, 2, 3, 4, 5, 6, 7].map(power => step * 10 ** power))
  .sort((a, b) => a - b)

const HEIGHT = 150

export function Chart({ title, times, lines, format, whole = false }: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const labels = lines.map(({ label, color }) => `${color} ${label}`).join('\n')
  const theme = useTheme(() => plot.current?.redraw())
  useEffect(() => {
    const element = box.current!
    const made = new uPlot(
      optionsOf({ lines, format, whole, width: element.clientWidth, theme }),
      dataOf(times, lines),
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [labels])
  useEffect(() => plot.current?.setData(dataOf(times, lines)), [times.at(-1), times.length, labels])
  const last = lines.map(({ label, values }) => `${label} ${format(values.at(-1) ?? null)}`).join(', ')
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={`${title} over the last half hour; now: ${last}`} />
      <ul class="legend">
        {lines.map(({ label, color, values }) => (
          <li key={label}>
            <i class={`swatch c${color}`} /> {label} <b>{format(values.at(-1) ?? null)}</b>
          </li>
        ))}
      </ul>
    </figure>
  )
}

function dataOf(times: number[], lines: Line[]): uPlot.AlignedData {
  return [times, ...lines.map(({ values }) => values)]
}

type Theme = (variable: string) => string

function optionsOf(
  of: Pick<ChartProps, 'lines' | 'format'> & { whole: boolean; width: number; theme: Theme },
): uPlot.Options {
  const { lines, format, whole, width, theme } = of
  const axis = {
    stroke: () => theme('--dim'),
    grid: { stroke: () => theme('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, ticks, _axis, _space, step) => ticks.map(tick => clock(tick, step)) },
      {
        ...axis,
        size: 56,
        ...(whole && { incrs: WHOLE_STEPS }),
        values: (_, ticks) => ticks.map(tick => format(tick)),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, color }) => ({
        label,
        stroke: () => theme(`--c${color}`),
        width: 1.5,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  }
}

/** @param step between two ticks, in seconds */
function clock(seconds: number, step: number): string {
  const time = new Date(seconds * 1000).toLocaleTimeString('en-GB')
  return step < 60 ? time : time.slice(0, 5)
}

/** Reads the page's CSS variables, and redraws when the theme changes. */
function useTheme(redraw: () => void): Theme {
  useEffect(() => {
    addEventListener(THEME_CHANGE, redraw)
    return () => removeEventListener(THEME_CHANGE, redraw)
  }, [])
  return variable => getComputedStyle(document.documentElement).getPropertyValue(variable)
}
