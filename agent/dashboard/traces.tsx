/** Recent traces: filtered, newest or slowest first, live. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { TracePage, TraceSummary } from '../src/contract/index.ts'
import { agent, type TraceFilter } from './api.ts'
import { duration, time } from './format.ts'
import { useScrollIntoView, useKeys } from './keys.ts'
import { go, replaceRoute, useFetched } from './live.ts'

export interface TracesProps {
  /** From the address: fields of a `TraceQuery`; `find` focuses the search field. */
  filter: TraceFilter
  functions: string[]
  /** Increases when traces have changed. */
  changes: number
}

const PAGE = '100'
/** Hexadecimal digits, or the id of a call. */
const ID = /^(?:[0-9a-f]{8,32}|[0-9A-HJKMNP-TV-Z]{26}-\S+)$/

export function Traces({ filter: { find, ...filter }, functions, changes }: TracesProps) {
  const [chosen, setChosen] = useState<string>()
  const search = useRef<HTMLInputElement>(null)
  const sought = filter['attribute'] ?? filter['callId'] ?? ''
  // Keeps what is being typed when the page is redrawn.
  const [draft, setDraft] = useState(sought)
  useEffect(() => setDraft(sought), [sought])
  const asked = JSON.stringify(filter)
  const { value, problem } = useFetched<TracePage>(
    signal => agent.traces({ limit: PAGE, ...filter }, signal),
    `${asked} ${changes}`,
  )
  const traces = value?.traces ?? []
  const at = traces.findIndex(({ traceId }) => traceId === chosen)
  const move = (by: number) => setChosen(traces[Math.max(0, Math.min(traces.length - 1, at + by))]?.traceId)
  useKeys({
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    j: () => move(1),
    k: () => move(-1),
    Home: () => setChosen(traces[0]?.traceId),
    End: () => setChosen(traces.at(-1)?.traceId),
    Enter: () => at >= 0 && open(traces[at]!),
    Escape: () => (chosen === undefined ? replaceRoute('/traces') : setChosen(undefined)),
    '/': () => search.current?.select(),
  })
  useScrollIntoView('[aria-selected=true]', chosen)
  useEffect(() => {
    if (find !== undefined) search.current?.focus()
  }, [find])
  const set = (change: TraceFilter) => replaceRoute(routeOf({ ...filter, ...change }))
  return (
    <>
      <form
        class="filters"
        role="search"
        onSubmit={event => {
          event.preventDefault()
          searchFor(draft.trim(), set)
          search.current!.blur()
        }}
      >
        <input
          ref={search}
          type="search"
          aria-label="Search"
          placeholder="trace or call id, key=value, or a function      /"
          value={draft}
          onInput={event => setDraft(event.currentTarget.value)}
        />
        <Choice
          label="Function"
          value={filter['function']}
          options={functions}
          set={value => set({ function: value })}
        />
        <Choice
          label="Status"
          value={filter['status']}
          options={['ok', 'error']}
          set={value => set({ status: value })}
        />
        <Choice
          label="At least"
          value={filter['minDurationMs']}
          options={['10', '100', '1000', '10000']}
          show={value => duration(Number(value))}
          set={value => set({ minDurationMs: value })}
        />
        <label>
          <input
            type="checkbox"
            checked={filter['order'] === 'slowest'}
            onChange={event => set({ order: event.currentTarget.checked ? 'slowest' : '' })}
          />{' '}
          slowest first
        </label>
      </form>
      {problem && <p class="problem">{problem.message}</p>}
      {value && traces.length === 0 && <p class="empty">No traces match.</p>}
      {traces.length > 0 && <TraceTable traces={traces} chosen={chosen} />}
      {value?.cursor !== undefined && (
        <p class="more">
          <button type="button" onClick={() => go(routeOf({ ...filter, cursor: value.cursor! }))}>
            Older
          </button>
        </p>
      )}
    </>
  )
}

function TraceTable({ traces, chosen }: { traces: TraceSummary[]; chosen: string | undefined }) {
  const longest = Math.max(...traces.map(({ durationMs }) => durationMs), 1e-3)
  return (
    <div class="scroll">
      <table class="rows" aria-label="Traces">
        <thead>
          <tr>
            {['Started', 'Function', 'Name', 'Status'].map(head => (
              <th key={head}>{head}</th>
            ))}
            <th class="wide">Duration</th>
            <th class="number">Spans</th>
            <th>Call</th>
          </tr>
        </thead>
        <tbody>
          {traces.map(trace => (
            <tr key={trace.traceId} aria-selected={trace.traceId === chosen} onClick={() => open(trace)}>
              <td class="mono">{time(trace.startedAt)}</td>
              <td>{trace.function ?? '–'}</td>
              <td>
                <a href={`#/trace/${trace.traceId}`}>{trace.name}</a>
              </td>
              <td class={trace.status === 'error' ? 'bad' : 'good'}>{trace.status}</td>
              <td>
                <span class="took">
                  <i
                    class={trace.status === 'error' ? 'bar bad' : 'bar'}
                    style={{ width: `${Math.max(1, (trace.durationMs / longest) * 100)}px` }}
                  />
                  {duration(trace.durationMs)}
                </span>
              </td>
              <td class="number">{trace.spans}</td>
              <td class="mono dim">{trace.callId ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface ChoiceProps {
  label: string
  value: string | undefined
  options: string[]
  show?: (value: string) => string
  set: (value: string) => void
}

function Choice({ label, value = '', options, show = value => value, set }: ChoiceProps) {
  // A value from the address need not be among the options.
  const all = value === '' || options.includes(value) ? options : [value, ...options]
  return (
    <label>
      {label}{' '}
      <select value={value} onChange={event => set(event.currentTarget.value)}>
        <option value="">any</option>
        {all.map(option => (
          <option key={option} value={option}>
            {show(option)}
          </option>
        ))}
      </select>
    </label>
  )
}

function open({ traceId }: TraceSummary): void {
  go(`/trace/${traceId}`)
}

function searchFor(text: string, set: (change: TraceFilter) => void): void {
  if (ID.test(text)) go(`/trace/${encodeURIComponent(text)}`)
  else if (text.includes('=')) set({ attribute: text, function: '' })
  else set({ function: text, attribute: '' })
}

function routeOf(filter: TraceFilter): string {
  const given = Object.entries(filter).filter(([, value]) => value !== '')
  return given.length === 0 ? '/traces' : `/traces?${new URLSearchParams(given).toString()}`
}
