/** The schedules and their next times. What changes them is on the command line and in the editor: this page only reads. */
import { useEffect, useState } from 'preact/hooks'
import type { ScheduleLine } from '../src/contract/index.ts'
import { agent, type SchedulesView } from './api.ts'

const POLL_MS = 5_000
/** More are on the command line. */
const MOST = 20

export function Schedules() {
  const seen = useSchedules()
  if (seen === undefined || seen.schedules.length === 0) return null
  const { clock, schedules } = seen
  const others = schedules.length - MOST
  return (
    <div class="scroll">
      <table class="rows" aria-label="Schedules">
        <thead>
          <tr>
            <th>Schedule</th>
            <th>Function</th>
            <th>Next {clock.kind !== 'system' && `(a clock of tests: now ${moment(clock.now)})`}</th>
          </tr>
        </thead>
        <tbody>
          {schedules.slice(0, MOST).map(line => (
            <tr key={`${line.name} ${line.key}`} class={line.isPaused ? 'gone' : ''}>
              <td>{line.label}</td>
              <td>{line.name}</td>
              <td>{next(line)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {others > 0 && <p class="empty">and {others} more: ryo-faas schedules</p>}
    </div>
  )
}

function next({ isPaused, nextAt }: ScheduleLine): string {
  if (isPaused) return 'paused'
  return nextAt === undefined ? 'never again' : moment(nextAt)
}

function moment(iso: string): string {
  return new Date(iso).toLocaleString()
}

function useSchedules(): SchedulesView | undefined {
  const [seen, setSeen] = useState<SchedulesView>()
  useEffect(() => {
    const abort = new AbortController()
    // While the agent is away, the last ones stay.
    const look = () => void agent.schedules(abort.signal).then(setSeen, () => undefined)
    look()
    const timer = setInterval(look, POLL_MS)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [])
  return seen
}
