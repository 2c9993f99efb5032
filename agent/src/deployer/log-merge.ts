/** Output of all instances of a deployment, interleaved by time; while following, instances that come later join in. */
import { PassThrough } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { LogLine } from '../contract/index.ts'
import type { Engine, LogQuery } from '../engine/index.ts'

const LOOK_FOR_NEW_MS = 250

export async function* deploymentLogs(
  engine: Engine,
  route: string,
  query: LogQuery & { signal: AbortSignal },
): AsyncGenerator<LogLine> {
  const { signal, ...options } = query
  const sources = await engine.logSources(route)
  const past = (
    await Promise.all(sources.map(id => collect(engine.logs({ route, id }, { ...options, follow: false }, signal))))
  ).flat()
  past.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  yield* options.tail === undefined ? past : options.tail === 0 ? [] : past.slice(-options.tail)
  if (!options.follow) return

  // From here on only what is newer than what was shown; the last line of each instance marks the place.
  const shown = new Map(past.map(line => [line.instance, line]))
  const merged = new PassThrough({ objectMode: true })
  const followed = new Set<string>()
  const follow = async (id: string) => {
    followed.add(id)
    const last = shown.get(id)
    let skipping = last !== undefined
    const since = last ? { since: last.time } : {}
    for await (const line of engine.logs({ route, id }, { follow: true, ...since }, signal)) {
      if (skipping && line.time <= last!.time) continue
      skipping = false
      merged.write(line)
    }
  }
  const ignore = () => undefined // A source that breaks off ends; the others go on.
  void (async () => {
    while (!signal.aborted) {
      for (const id of await engine.logSources(route)) {
        if (!followed.has(id) && (!sources.includes(id) || shown.has(id) || (await isRunning(engine, route, id))))
          void follow(id).catch(ignore)
      }
      await delay(LOOK_FOR_NEW_MS, undefined, { signal })
    }
  })()
    .catch(ignore)
    .finally(() => merged.end())
  yield* merged as AsyncIterable<LogLine>
}

async function isRunning(engine: Engine, route: string, id: string): Promise<boolean> {
  return (await engine.instances(route)).some(instance => instance.id === id && instance.state.kind === 'running')
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = []
  for await (const line of lines) all.push(line)
  return all
}
