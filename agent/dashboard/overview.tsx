/** The state of the platform: current metrics, charts over time, one row per function. */
import { useState } from 'preact/hooks'
import type { FunctionPoint, PlatformPoint } from '../src/contract/index.ts'
import { Chart, type Line } from './chart.tsx'
import { count, duration, rate } from './format.ts'
import { useScrollIntoView, useKeys } from './keys.ts'
import { go, type Figures } from './live.ts'
import { Schedules } from './schedules.tsx'

/** More lines would be unreadable. */
const MAX_LINES = 6

type Selector<T> = (point: T) => number | null

export function Overview({ figures }: { figures: Figures }) {
  const [chosen, setChosen] = useState<string>()
  const names = [...figures.functions.keys()].sort()
  const at = chosen === undefined ? -1 : names.indexOf(chosen)
  const move = (by: number) => setChosen(names[Math.max(0, Math.min(names.length - 1, at + by))])
  useKeys({
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    j: () => move(1),
    k: () => move(-1),
    Enter: () => chosen !== undefined && go(`/traces?function=${encodeURIComponent(chosen)}`),
    Escape: () => setChosen(undefined),
    '/': () => go('/traces?find'),
  })
  useScrollIntoView('[aria-selected=true]', chosen)
  const { platform } = figures
  const points = (chosen !== undefined && figures.functions.get(chosen)) || platform
  if (platform.length === 0) return <p class="empty">Waiting for the first metrics …</p>
  return (
    <>
      <Tiles now={platform.at(-1)!} />
      <FunctionTable figures={figures} chosen={chosen} choose={setChosen} />
      <Schedules />
      <div class="charts">
        <Chart title="Calls per second" {...perFunction(figures, chosen, p => p.callsPerSecond)} format={rate} />
        <Chart title="Errors per second" {...perFunction(figures, chosen, p => p.errorsPerSecond)} format={rate} />
        <Chart
          title={chosen === undefined ? 'Duration' : `Duration of ${chosen}`}
          {...several(points, [
            ['p50', 1, p => p.p50],
            ['p95', 2, p => p.p95],
            ['p99', 3, p => p.p99],
          ])}
          format={duration}
        />
        <Chart
          title="Asynchronous calls"
          {...several(points, [
            ['queue depth', 1, p => p.queueDepth],
            ['dead letters', 4, p => p.dead],
          ])}
          format={count}
          whole
        />
        <Chart
          title={chosen === undefined ? 'Instances' : `Instances of ${chosen}`}
          {...several(points, [
            ['ready', 1, p => p.instances],
            ['frozen', 4, p => p.frozen],
            ['cold starts', 3, p => p.coldStarts],
            ['in flight', 2, p => p.inflight],
          ])}
          format={count}
          whole
        />
        <Chart
          title="Store operations per second"
          {...several(platform, [['operations', 1, p => p.storeOpsPerSecond]])}
          format={rate}
        />
        <Chart
          title="Pending events"
          {...several(platform, [
            ['for the bus (relay lag)', 1, p => p.relayLagEvents],
            ['for triggers', 2, p => p.triggerLagEvents],
          ])}
          format={count}
          whole
        />
      </div>
    </>
  )
}

function Tiles({ now }: { now: PlatformPoint }) {
  const lag = now.relayLagSeconds ?? 0
  const tiles: [string, string, boolean][] = [
    ['calls/s', rate(now.callsPerSecond), false],
    ['errors/s', rate(now.errorsPerSecond), now.errorsPerSecond > 0],
    ['p50', duration(now.p50), false],
    ['p95', duration(now.p95), false],
    ['p99', duration(now.p99), false],
    ['instances', count(now.instances), now.instances < now.desired],
    ['frozen', count(now.frozen), false],
    ['cold starts', count(now.coldStarts), false],
    ['queue depth', count(now.queueDepth), false],
    ['dead letters', count(now.dead), now.dead > 0],
    ['store ops/s', rate(now.storeOpsPerSecond), now.storeOpsPerSecond === null],
    ['relay lag', now.relayLagSeconds === null ? '–' : `${lag.toFixed(1)} s`, lag > 5],
  ]
  return (
    <dl class="tiles">
      {tiles.map(([label, value, isBad]) => (
        <div key={label} class={isBad ? 'tile bad' : 'tile'}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

interface FunctionTableProps {
  figures: Figures
  chosen: string | undefined
  choose: (name: string | undefined) => void
}

function FunctionTable({ figures, chosen, choose }: FunctionTableProps) {
  const now = figures.platform.at(-1)!.t
  const rows = [...figures.functions].sort(([a], [b]) => a.localeCompare(b))
  if (rows.length === 0) return <p class="empty">Nothing is deployed. Try: ryo-faas deploy</p>
  return (
    <div class="scroll">
      <table class="rows" aria-label="Functions">
        <thead>
          <tr>
            <th>Function</th>
            <th>State</th>
            {['Calls/s', 'Errors/s', 'p50', 'p95', 'p99', 'In flight', 'Instances', 'Queue', 'Dead'].map(head => (
              <th key={head} class="number">
                {head}
              </th>
            ))}
            <th />
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, points]) => {
            const point = points.at(-1)!
            const isGone = point.t !== now
            return (
              <tr
                key={name}
                aria-selected={name === chosen}
                class={isGone ? 'gone' : ''}
                onClick={() => choose(name === chosen ? undefined : name)}
              >
                <td>{name}</td>
                <td class={stateOf(point) === 'starting' ? 'bad' : ''}>{stateOf(point)}</td>
                <td class="number">{rate(point.callsPerSecond)}</td>
                <td class={point.errorsPerSecond > 0 ? 'number bad' : 'number'}>{rate(point.errorsPerSecond)}</td>
                <td class="number">{duration(point.p50)}</td>
                <td class="number">{duration(point.p95)}</td>
                <td class="number">{duration(point.p99)}</td>
                <td class="number">{count(point.inflight)}</td>
                <td class={point.instances < point.desired ? 'number bad' : 'number'}>{instancesOf(point)}</td>
                <td class="number">{count(point.queueDepth)}</td>
                <td class={point.dead > 0 ? 'number bad' : 'number'}>{count(point.dead)}</td>
                <td class="number">
                  <a href={`#/traces?function=${encodeURIComponent(name)}`}>traces</a>{' '}
                  <a href={`#/traces?function=${encodeURIComponent(name)}&order=slowest`}>slowest</a>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** As a row says it: what is asleep is well, what should be there and is not, is not. */
function stateOf({ instances, frozen, desired }: FunctionPoint): string {
  if (instances > 0) return 'running'
  if (desired > 0) return 'starting'
  return frozen > 0 ? 'frozen' : 'gone'
}

function instancesOf({ instances, frozen }: FunctionPoint): string {
  return frozen === 0 ? count(instances) : `${count(instances)} + ${count(frozen)} frozen`
}

function several<T extends { t: number }>(points: T[], lines: [string, number, Selector<T>][]) {
  return {
    times: points.map(({ t }) => t / 1000),
    lines: lines.map(([label, color, value]): Line => ({ label, color, values: points.map(value) })),
  }
}

/** One line for each of the busiest functions, or for the selected one. */
function perFunction({ platform, functions }: Figures, chosen: string | undefined, value: Selector<FunctionPoint>) {
  const total = (points: FunctionPoint[]) => points.reduce((sum, point) => sum + (value(point) ?? 0), 0)
  const names = [...functions.keys()].sort()
  const shown = [...functions]
    .filter(([name]) => chosen === undefined || name === chosen)
    .map(([name, points]) => ({ name, points, total: total(points) }))
    .sort((a, b) => b.total - a.total || a.name.localeCompare(b.name))
    .slice(0, MAX_LINES)
  return {
    times: platform.map(({ t }) => t / 1000),
    lines: shown.map(({ name, points }): Line => {
      const byTime = new Map(points.map(point => [point.t, value(point)]))
      const color = (names.indexOf(name) % MAX_LINES) + 1
      return { label: name, color, values: platform.map(({ t }) => byTime.get(t) ?? null) }
    }),
  }
}
