/**
 * Kept output of instances: one file each, `<folder>/<route>/<instance id>.log`, lines in the CRI log format
 * (`<RFC 3339 time> <stream> F <text>`). Bounded: a file holds at most `maxFileBytes` (then it is cut to its newer half
 * in place, because the writer holds it open in append mode), a deployment at most `maxFiles` files.
 */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LogPlace, type LogLine } from '../contract/index.ts'
import { boundFile, GrowingFile, KeyedQueue } from '../host/index.ts'
import type { LogQuery } from './capabilities.ts'

const FOLLOW_INTERVAL_MS = 100

type Stamp = Pick<LogLine, 'time' | 'stream'>

export interface LogBounds {
  maxFileBytes: number
  maxFiles: number
}

export class LogFiles {
  readonly #folder: string
  readonly #bounds: LogBounds
  /** A file that is cut twice at once may lose what both keep. */
  readonly #cuts = new KeyedQueue()

  constructor(folder: string, bounds: LogBounds = { maxFileBytes: 10 * 1024 * 1024, maxFiles: 20 }) {
    this.#folder = folder
    this.#bounds = bounds
  }

  pathOf(route: string, id: string): string {
    return join(this.#folder, route, `${id}.log`)
  }

  /** Ids with kept output, oldest first. */
  async sources(route: string): Promise<string[]> {
    const names = await readdir(join(this.#folder, route)).catch(() => [])
    const aged = await Promise.all(
      names
        .filter(name => name.endsWith('.log'))
        .map(async name => {
          const info = await stat(join(this.#folder, route, name)).catch(() => undefined)
          return { id: name.slice(0, -4), born: info?.birthtimeMs ?? 0 }
        }),
    )
    return aged.sort((a, b) => a.born - b.born).map(({ id }) => id)
  }

  async write(route: string, id: string, lines: LogLine[]): Promise<void> {
    await mkdir(join(this.#folder, route), { recursive: true, mode: 0o700 })
    const text = lines.map(({ time, stream, line }) => `${time} ${stream} F ${line}\n`).join('')
    await writeFile(this.pathOf(route, id), text, { mode: 0o600 })
    await this.enforceBounds(route)
  }

  /** Removes the oldest files over the maximum number and cuts those over the maximum size. */
  async enforceBounds(route: string): Promise<void> {
    const ids = await this.sources(route)
    await Promise.all(ids.slice(0, -this.#bounds.maxFiles).map(id => rm(this.pathOf(route, id), { force: true })))
    await Promise.all(ids.slice(-this.#bounds.maxFiles).map(id => this.bound(route, id)))
  }

  /** Cuts one file if it is too large: cheap enough to be called several times a second. */
  bound(route: string, id: string): Promise<void> {
    const path = this.pathOf(route, id)
    return this.#cuts.run(path, () => boundFile(path, this.#bounds.maxFileBytes))
  }

  async remove(route: string): Promise<void> {
    await rm(join(this.#folder, route), { recursive: true, force: true })
  }

  /** `isLive` tells whether more can come; a follow ends once it cannot. */
  async *read(
    source: { route: string; id: string; isLive: () => Promise<boolean> },
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncGenerator<LogLine> {
    const path = this.pathOf(source.route, source.id)
    const file = new GrowingFile(path)
    const place = new LogPlace()
    let isUnseen = place.unseen()
    let rest = ''
    let last: Stamp | undefined
    let first = true
    while (!signal.aborted) {
      const live = query.follow && (await source.isLive())
      const { text, wasCut } = await file.readOn()
      if (wasCut) {
        // What is left starts with lines that were already read.
        isUnseen = place.unseen()
        rest = ''
        last = undefined
      }
      const pieces = (rest + text).split('\n')
      rest = pieces.pop()!
      let stamp = last ?? (await birthOf(path))
      let lines = pieces.map(piece => (stamp = parseLine(piece, source.id, stamp))).filter(isUnseen)
      if (pieces.length > 0) last = stamp
      for (const line of lines) place.advance(line)
      if (query.since !== undefined) lines = lines.filter(line => line.time >= query.since!)
      if (first && query.tail !== undefined) lines = query.tail === 0 ? [] : lines.slice(-query.tail)
      yield* lines
      first = false
      if (!live) return
      await delay(FOLLOW_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** For lines without a stamp before the first one that has one: as early as the file may have had any. */
async function birthOf(path: string): Promise<Stamp> {
  const info = await stat(path).catch(() => undefined)
  return { time: (info?.birthtime ?? new Date()).toISOString(), stream: 'stderr' }
}

/** A line without a stamp (such as Node's own last words) belongs to the one before it. */
function parseLine(text: string, instance: string, last: Stamp): LogLine {
  const match = /^(\d{4}-\d\d-\d\dT\S+) (stdout|stderr) [FP] (.*)$/s.exec(text)
  if (!match) return { ...last, instance, line: text }
  return { time: match[1]!, stream: match[2] as LogLine['stream'], instance, line: match[3]! }
}
