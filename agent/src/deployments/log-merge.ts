/** Output of all instances of a deployment, interleaved by time; while following, new instances join. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { LogPlace, type LogLine } from '../contract/index.ts'
import type { Engine, LogQuery, Logs } from '../engines/index.ts'

const LOOK_FOR_NEW_MS = 250
const MARGIN = 1_000

export async function* deploymentLogs(
  { logs, engine }: { logs: Logs; engine: Pick<Engine, 'instances'> },
  route: string,
  query: LogQuery & { signal: AbortSignal },
): AsyncGenerator<LogLine> {
  const { signal, ...options } = query
  const sources = await logs.sources(route)
  // A few more than shown, to count the lines with the last time stamp.
  const tail = options.tail === undefined ? {} : { tail: options.tail + MARGIN }
  const read = { ...options, ...tail, follow: false }
  const past = (await Promise.all(sources.map(id => collect(logs.read({ route, id }, read, signal))))).flat()
  past.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  yield* options.tail === undefined ? past : options.tail === 0 ? [] : past.slice(-options.tail)
  if (!options.follow) return

  // From here, only what was not shown; the last lines of each instance mark the position.
  const shown = new Map<string, LogPlace>()
  const placeOf = (id: string) => shown.get(id) ?? shown.set(id, new LogPlace()).get(id)!
  for (const line of past) placeOf(line.instance).advance(line)
  const merged = new PassThrough({ objectMode: true }).setMaxListeners(0)
  // The reader may end without a signal; then nothing may continue.
  const ended = new AbortController()
  const stop = AbortSignal.any([signal, ended.signal])
  const following = new Set<string>()
  const met = new Set(sources.filter(id => !shown.has(id)))
  const follow = async (id: string) => {
    met.add(id)
    following.add(id)
    const place = placeOf(id)
    const isUnseen = place.unseen()
    const since = place.time === undefined ? {} : { since: place.time }
    try {
      for await (const line of logs.read({ route, id }, { follow: true, ...since }, stop)) {
        if (stop.aborted) return
        if (!isUnseen(line)) continue
        place.advance(line)
        // Back pressure: unread lines stay where they are stored, not in our memory.
        if (!merged.write(line)) await once(merged, 'drain', { signal: stop })
      }
    } finally {
      following.delete(id)
    }
  }
  const ignore = () => undefined // A source that fails ends; the others continue.
  void (async () => {
    while (!stop.aborted) {
      const idle = (await logs.sources(route)).filter(id => !following.has(id))
      // A follow of an instance that was still starting ended at once: follow it again if it is running.
      const running = idle.some(id => met.has(id)) ? await runningIds(engine, route) : new Set<string>()
      for (const id of idle) if (!met.has(id) || running.has(id)) void follow(id).catch(ignore)
      await delay(LOOK_FOR_NEW_MS, undefined, { signal: stop })
    }
  })()
    .catch(ignore)
    .finally(() => {
      ended.abort()
      merged.end()
    })
  try {
    yield* merged as AsyncIterable<LogLine>
  } finally {
    ended.abort()
  }
}

async function runningIds(engine: Pick<Engine, 'instances'>, route: string): Promise<Set<string>> {
  const instances = await engine.instances(route)
  return new Set(instances.filter(({ state }) => state.kind === 'running').map(({ id }) => id))
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = []
  for await (const line of lines) all.push(line)
  return all
}
