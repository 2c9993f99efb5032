import { setTimeout as delay } from 'node:timers/promises'
import type { FunctionPoint, MetricsHistory, PlatformPoint } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { formatDuration } from '../output.ts'
import { printable } from '../waterfall.ts'

const EVERY_MS = 2_000
/** Older points belong to a function or an agent that is gone. */
const RECENT_MS = 10_000

export const top: Command = {
  usage: 'top',
  describe: 'Live rates of every function: calls, errors, percentiles, queue',
  options: yargs => yargs.option('once', { type: 'boolean', default: false, describe: 'Print one table and exit' }),
  run: async (args, context) => {
    const { output, signal } = context
    const client = await context.connect()
    const look = () => client.call('metricsHistory', { query: { since: Date.now() - RECENT_MS } }, signal)
    if (args['once'] === true || !output.canRedraw || output.json) {
      return print(await firstPoint(look, signal), context)
    }
    const screen = output.screen()
    try {
      while (!signal.aborted) {
        const history = await look()
        screen.draw(() => print(history, context))
        await delay(EVERY_MS, undefined, { signal }).catch(() => undefined) // Ctrl-C: the loop ends.
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      screen.close()
    }
  },
}

/** Waits for it: right after the start there is none yet. */
async function firstPoint(look: () => Promise<MetricsHistory>, signal: AbortSignal): Promise<MetricsHistory> {
  const deadline = performance.now() + 3 * EVERY_MS
  for (;;) {
    const history = await look()
    if (history.platform.length > 0 || performance.now() > deadline) return history
    await delay(EVERY_MS / 10, undefined, { signal })
  }
}

function print(history: MetricsHistory, { output }: Context): void {
  const platform = history.platform.at(-1)
  const functions = history.functions
    .flatMap(({ name, points }) => {
      const point = points.at(-1)
      return point && point.t === platform?.t ? [{ name, point }] : []
    })
    .sort((a, b) => b.point.callsPerSecond - a.point.callsPerSecond || a.name.localeCompare(b.name))
  output.value({ platform: platform ?? null, functions: functions.map(({ name, point }) => ({ name, ...point })) })
  if (platform === undefined) return output.line('No metrics yet.')
  output.line(summary(platform))
  output.line()
  if (functions.length === 0) return output.line('Nothing is deployed yet. Try: ryo-faas deploy')
  const rows = functions.map(({ name, point }) => [printable(name), ...cells(point, output.colors)])
  output.table(
    ['FUNCTION', 'CALLS/S', 'ERRORS/S', 'P50', 'P95', 'P99', 'IN FLIGHT', 'INSTANCES', 'QUEUE', 'DEAD'],
    rows,
    ['P50', 'P99', 'INSTANCES', 'DEAD', 'IN FLIGHT', 'QUEUE', 'ERRORS/S'],
  )
}

function summary(point: PlatformPoint): string {
  const parts = [
    `${rate(point.callsPerSecond)} calls/s`,
    `${rate(point.errorsPerSecond)} errors/s`,
    `${point.instances} instances, ${point.frozen} frozen`,
    ...(point.storeOpsPerSecond === null ? [] : [`store ${rate(point.storeOpsPerSecond)} ops/s`]),
    ...(point.relayLagEvents === null ? [] : [`relay lag ${point.relayLagEvents}`]),
    ...(point.triggerLagEvents === null ? [] : [`trigger lag ${point.triggerLagEvents}`]),
  ]
  return parts.join('  ')
}

function cells(point: FunctionPoint, { red, yellow }: Context['output']['colors']): string[] {
  const time = (ms: number | null) => (ms === null ? '-' : ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms))
  const marked = (value: number, paint: (text: string) => string, text = String(value)) =>
    value > 0 ? paint(text) : text
  return [
    rate(point.callsPerSecond),
    marked(point.errorsPerSecond, red, rate(point.errorsPerSecond)),
    ...[point.p50, point.p95, point.p99].map(time),
    String(point.inflight),
    point.instances < point.desired ? red(String(point.instances)) : String(point.instances),
    marked(point.queueDepth, yellow),
    marked(point.dead, red),
  ]
}

function rate(perSecond: number): string {
  return perSecond === 0 ? '0' : perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond))
}
