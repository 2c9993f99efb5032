/**
 * Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/), read leniently: a page may
 * come from a function, and an invalid line must not cost the others.
 */

export interface Sample {
  /** Name of the series: the family's, or with `_bucket`, `_sum`, `_count`. */
  name: string
  /** Values as in the text, escaped. */
  labels: Record<string, string>
  value: string
  /** The part after the `#` (OpenMetrics): labels, value, time. */
  exemplar?: string
}

export interface Family {
  name: string
  /** As in the text, escaped. */
  help: string
  type: string
  samples: Sample[]
}

export type Format = 'prometheus' | 'openmetrics'
export const CONTENT_TYPES: Record<Format, string> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const ABOUT = new RegExp(`^# (HELP|TYPE) (${NAME})(?: (.*))?$`)
const SERIES = new RegExp(
  `^(${NAME})(?:\\{(.*)\\})?[ \\t]+([^\\s#]+)(?:[ \\t]+-?\\d+)?[ \\t]*(?:# (\\{[^{}]*\\}(?: [-+.\\w]+){1,2}))?$`,
)
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"[ \t]*,?[ \t]*/y
const VALUE = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped'])
const TOTAL = '_total'
const SUFFIX = /_(?:bucket|sum|count)$/

/** Families by name, in the order of the page. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  const familyOf = (name: string): Family => {
    let family = families.get(name)
    if (!family) families.set(name, (family = { name, help: '', type: 'untyped', samples: [] }))
    return family
  }
  for (const line of text.split('\n')) {
    const about = ABOUT.exec(line)
    if (about) {
      const [, what, name, rest = ''] = about
      if (what === 'HELP') familyOf(name!).help = rest
      else if (TYPES.has(rest)) familyOf(name!).type = rest
      continue
    }
    const series = SERIES.exec(line)
    if (!series || !VALUE.test(series[3]!)) continue
    const labels = parseLabels(series[2] ?? '')
    if (!labels) continue
    const name = series[1]!
    // OpenMetrics names the family of a counter without the suffix; here it has it.
    const counter = name.endsWith(TOTAL) ? families.get(name.slice(0, -TOTAL.length)) : undefined
    if (counter?.type === 'counter') {
      families.delete(counter.name)
      families.set(name, { ...counter, name })
    }
    const base = name.replace(SUFFIX, '')
    const isPart = base !== name && ['histogram', 'summary'].includes(families.get(base)?.type ?? '')
    const exemplar = series[4]
    familyOf(isPart ? base : name).samples.push({ name, labels, value: series[3]!, ...(exemplar && { exemplar }) })
  }
  return families
}

export function renderExposition(families: Iterable<Family>, format: Format = 'prometheus'): string {
  const isOpen = format === 'openmetrics'
  const lines: string[] = []
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue
    const title = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name
    lines.push(`# HELP ${title} ${help}`, `# TYPE ${title} ${isOpen && type === 'untyped' ? 'unknown' : type}`)
    for (const sample of samples) {
      const exemplar = isOpen && sample.exemplar !== undefined ? ` # ${sample.exemplar}` : ''
      lines.push(`${sample.name}${labelText(sample.labels)} ${sample.value}${exemplar}`)
    }
  }
  if (isOpen) lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

export function labelText(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

export function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text)
    if (!match) return undefined
    labels[match[1]!] = match[2]!
  }
  return labels
}
