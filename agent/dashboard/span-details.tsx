/** All details of a span. */
import type { Attributes, SpanEvent, SpanView } from '../src/contract/index.ts'
import { duration } from './format.ts'
import { Stack } from './stack.tsx'

export function SpanDetails({ span, close }: { span: SpanView; close: () => void }) {
  const exceptions = span.events.filter(({ name }) => name === 'exception')
  const logs = span.events.filter(({ name }) => name === 'log')
  const others = span.events.filter(({ name }) => name !== 'exception' && name !== 'log')
  return (
    <aside class="details" aria-label={`Span ${span.name}`}>
      <button type="button" class="close" aria-label="Close" onClick={close}>
        ×
      </button>
      <h2>{span.name}</h2>
      <p class="dim">
        {span.service} · {span.kind} · {duration(span.durationMs)} · started at +{duration(span.startMs)}
      </p>
      {span.status === 'error' && exceptions.length === 0 && (
        <p class="problem">{span.statusMessage ?? 'Failed without a message.'}</p>
      )}
      {exceptions.map((event, i) => (
        <Exception key={i} event={event} service={span.service} />
      ))}
      {logs.length > 0 && (
        <section>
          <h3>Logs</h3>
          <ol class="logs">
            {logs.map((event, i) => (
              <li key={i} class={`log ${severityClass(event)}`}>
                <span class="dim mono">+{duration(event.atMs)}</span> {text(event, 'log.message')}
              </li>
            ))}
          </ol>
        </section>
      )}
      {others.length > 0 && (
        <section>
          <h3>Events</h3>
          {others.map((event, i) => (
            <div key={i}>
              <span class="dim mono">+{duration(event.atMs)}</span> {event.name}
              <AttributeTable attributes={event.attributes} />
            </div>
          ))}
        </section>
      )}
      <section>
        <h3>Attributes</h3>
        <AttributeTable attributes={span.attributes} />
      </section>
      {span.links.length > 0 && (
        <section>
          <h3>Linked with</h3>
          {span.links.map((link, i) => (
            <p key={i}>
              <a class="mono" href={`#/trace/${link.traceId}`}>
                {link.traceId}
              </a>
              <AttributeTable attributes={link.attributes} />
            </p>
          ))}
        </section>
      )}
    </aside>
  )
}

function Exception({ event, service }: { event: SpanEvent; service: string }) {
  const what = [text(event, 'exception.type'), text(event, 'exception.message')].filter(Boolean).join(': ')
  const stack = text(event, 'exception.stacktrace')
  return (
    <section class="exception">
      <p class="problem">
        {what} <span class="dim mono">+{duration(event.atMs)}</span>
      </p>
      {stack !== '' && <Stack service={service} stack={stack} />}
    </section>
  )
}

function AttributeTable({ attributes }: { attributes: Attributes }) {
  const entries = Object.entries(attributes).sort(([a], [b]) => a.localeCompare(b))
  if (entries.length === 0) return null
  return (
    <table class="attributes">
      <tbody>
        {entries.map(([key, value]) => (
          <tr key={key}>
            <th scope="row">{key}</th>
            <td>{Array.isArray(value) ? value.join(', ') : String(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function text(event: SpanEvent, key: string): string {
  const value = event.attributes[key]
  return value === undefined ? '' : String(value)
}

function severityClass(event: SpanEvent): string {
  const severity = text(event, 'log.severity')
  return /error|fatal/i.test(severity) ? 'bad' : /warn/i.test(severity) ? 'warn' : ''
}
