/** One trace: its spans as a waterfall, and the details of the selected one. */
import { useMemo, useState } from 'preact/hooks'
import { spanTree, type TreeSpan } from '../src/contract/span-tree.ts'
import type { TraceView } from '../src/contract/index.ts'
import { agent } from './api.ts'
import { duration, time } from './format.ts'
import { useScrollIntoView, useKeys } from './keys.ts'
import { go, useFetched } from './live.ts'
import { SpanDetails } from './span-details.tsx'

const TICKS = [0, 0.25, 0.5, 0.75, 1]

/** @param changes increases when traces have changed: new spans may have arrived */
export function Trace({ id, changes }: { id: string; changes: number }) {
  const { value, problem } = useFetched<TraceView>(signal => agent.trace(id, signal), `${id} ${changes}`)
  useKeys({ Escape: () => (history.length > 1 ? history.back() : go('/traces')) })
  if (value) return <Waterfall key={value.traceId} trace={value} />
  return problem ? <p class="problem">{problem.message}</p> : <p class="empty">…</p>
}

function Waterfall({ trace }: { trace: TraceView }) {
  // Until the user selects one: the first failed span, which may arrive later than others.
  const [picked, setChosen] = useState<string | undefined>()
  const chosen = picked ?? firstError(trace)
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const tree = useMemo(() => spanTree(trace.spans), [trace])
  const shown = withoutClosed(tree, closed)
  const at = shown.findIndex(({ span }) => span.spanId === chosen)
  const move = (by: number) => setChosen(shown[Math.max(0, Math.min(shown.length - 1, at + by))]?.span.spanId)
  const fold = (isClosed: boolean) => {
    if (chosen === undefined) return
    const next = new Set(closed)
    if (isClosed) next.add(chosen)
    else next.delete(chosen)
    setClosed(next)
  }
  useKeys({
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    j: () => move(1),
    k: () => move(-1),
    ArrowLeft: () => fold(true),
    ArrowRight: () => fold(false),
    Enter: () => fold(!closed.has(chosen ?? '')),
    '/': () => go('/traces?find'),
  })
  useScrollIntoView('[aria-selected=true]', chosen)
  const details = trace.spans.find(({ spanId }) => spanId === chosen)
  return (
    <>
      <header class="trace-head">
        <h1>
          {trace.name} <span class={trace.status === 'error' ? 'badge bad' : 'badge'}>{trace.status}</span>
        </h1>
        <p class="dim">
          {duration(trace.durationMs)} · {trace.spans.length} spans · {time(trace.startedAt)} ·{' '}
          <span class="mono">{trace.traceId}</span>
          {trace.callId !== undefined && <span class="mono"> · call {trace.callId}</span>}
        </p>
        {trace.droppedSpans > 0 && <p class="problem">{trace.droppedSpans} spans were dropped (limit per trace).</p>}
      </header>
      <div class={details ? 'trace-body with-details' : 'trace-body'}>
        <div class="waterfall" role="tree" aria-label="Spans">
          <div class="scale" aria-hidden="true">
            <span />
            <span class="ticks">
              {TICKS.map(share => (
                <i key={share}>{duration(trace.durationMs * share)}</i>
              ))}
            </span>
          </div>
          {shown.map(each => (
            <SpanRow
              key={each.span.spanId}
              of={each}
              totalMs={trace.durationMs}
              isChosen={each.span.spanId === chosen}
              fold={closed.has(each.span.spanId) ? '▸' : hasChildren(tree, each) ? '▾' : ''}
              choose={() => setChosen(each.span.spanId === chosen ? undefined : each.span.spanId)}
            />
          ))}
        </div>
        {details && <SpanDetails span={details} close={() => setChosen(undefined)} />}
      </div>
    </>
  )
}

interface SpanRowProps {
  of: TreeSpan
  totalMs: number
  isChosen: boolean
  fold: string
  choose: () => void
}

function SpanRow({ of: { span, depth }, totalMs, isChosen, fold, choose }: SpanRowProps) {
  const share = (ms: number) => (totalMs > 0 ? Math.min(100, Math.max(0, (ms / totalMs) * 100)) : 0)
  const left = share(span.startMs)
  const end = Math.min(100, left + share(span.durationMs))
  const isLate = left > 60
  /** No room for the text on either side of the bar. */
  const isInside = !isLate && end > 88
  const logs = span.events.filter(({ name }) => name === 'log' || name === 'exception')
  return (
    <div
      class={span.status === 'error' ? 'span error' : 'span'}
      role="treeitem"
      aria-level={depth + 1}
      aria-selected={isChosen}
      onClick={choose}
    >
      <span class="span-name" style={{ paddingLeft: `${depth * 14 + 4}px` }}>
        <i class="fold">{fold}</i>
        {span.status === 'error' && <b class="bad">✗ </b>}
        <span title={span.name}>{span.name}</span> <small class="dim">{span.service}</small>
      </span>
      <span class="lane">
        <i
          class={`bar kind-${span.kind}`}
          style={{ left: `${left}%`, width: `max(2px, ${share(span.durationMs)}%)` }}
        />
        {logs.map((event, i) => (
          <i
            key={i}
            class={event.name === 'exception' ? 'mark bad' : 'mark'}
            style={{ left: `${share(event.atMs)}%` }}
            title={String(event.attributes['exception.message'] ?? event.attributes['log.message'] ?? event.name)}
          />
        ))}
        <small
          class={isInside ? 'lane-text inside' : 'lane-text'}
          style={isLate ? { right: `${100 - left}%` } : isInside ? { right: `${100 - end}%` } : { left: `${end}%` }}
        >
          {duration(span.durationMs)}
        </small>
      </span>
    </div>
  )
}

function firstError({ spans }: TraceView): string | undefined {
  return [...spans].reverse().find(({ status }) => status === 'error')?.spanId
}

function hasChildren(tree: readonly TreeSpan[], of: TreeSpan): boolean {
  return (tree[tree.indexOf(of) + 1]?.depth ?? 0) > of.depth
}

function withoutClosed(tree: readonly TreeSpan[], closed: ReadonlySet<string>): TreeSpan[] {
  let below = Infinity
  return tree.filter(({ span, depth }) => {
    if (depth > below) return false
    below = closed.has(span.spanId) ? depth : Infinity
    return true
  })
}
