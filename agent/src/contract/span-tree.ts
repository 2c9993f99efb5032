import type { SpanView } from './traces.ts'

export interface TreeSpan {
  span: SpanView
  /** 0 at the root. */
  depth: number
}

/**
 * Spans in display order: each below its parent, siblings by start. A span whose parent is missing is at the root; so
 * is one whose ancestors form a cycle.
 */
export function spanTree(spans: readonly SpanView[]): TreeSpan[] {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = new Map<string | undefined, SpanView[]>()
  for (const span of spans) {
    const parent = span.parentSpanId !== undefined && known.has(span.parentSpanId) ? span.parentSpanId : undefined
    children.set(parent, [...(children.get(parent) ?? []), span])
  }
  const tree: TreeSpan[] = []
  const seen = new Set<SpanView>()
  const add = (list: readonly SpanView[], depth: number) => {
    for (const span of [...list].sort((a, b) => a.startMs - b.startMs)) {
      if (seen.has(span)) continue
      seen.add(span)
      tree.push({ span, depth })
      add(children.get(span.spanId) ?? [], depth + 1)
    }
  }
  add(children.get(undefined) ?? [], 0)
  add(spans, 0)
  return tree
}
