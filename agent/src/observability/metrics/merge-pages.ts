/**
 * Merges many pages of metrics into one. Invariants: 1. a family appears once, with one help text and type; the same
 * family with another type is left out. 2. every series is unique: labels say which page it came from, whatever labels
 * it brought.
 */
import { escapeLabel, labelText, parseExposition, renderExposition, type Family, type Format } from './exposition.ts'

export interface Page {
  /** Added to each of its series. */
  labels: Record<string, string>
  text: string
}

export function mergePages(pages: readonly Page[], format: Format = 'prometheus'): string {
  const merged = new Map<string, Family>()
  const seen = new Set<string>()
  for (const { labels, text } of pages) {
    const from = Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, escapeLabel(value)]))
    for (const family of parseExposition(text).values()) {
      const known = merged.get(family.name)
      if (known && known.type !== family.type) continue
      if (!known) merged.set(family.name, { ...family, samples: [] })
      const { samples } = merged.get(family.name)!
      for (const sample of family.samples) {
        const own = { ...sample.labels, ...from }
        const series = sample.name + labelText(Object.fromEntries(Object.entries(own).sort()))
        if (seen.has(series)) continue
        seen.add(series)
        samples.push({ ...sample, labels: own })
      }
    }
  }
  return renderExposition(merged.values(), format)
}
