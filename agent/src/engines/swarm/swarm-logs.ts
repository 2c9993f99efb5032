/** Output of instances: from the machine of the task as long as Swarm keeps it, and from our files afterwards. */
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { LogLine } from '../../contract/index.ts'
import { isDockerStatus, translateDockerError } from '../../docker/index.ts'
import type { LogQuery, Logs, LogSource } from '../capabilities.ts'
import { logLines } from '../docker/container-logs.ts'
import type { Identity } from '../docker/pool-folders.ts'
import { LogFiles } from '../log-files.ts'
import { hasEnded, phaseOf } from './swarm-instance.ts'
import type { SwarmView } from './swarm-view.ts'

const MOST_LINES_KEPT = 20_000
const READ_MS = 10_000
/** The end of the output comes after that of the task, by another way. */
const QUIET_MS = 500
const LOOK_EVERY_MS = 250

export class SwarmLogs implements Logs {
  readonly #docker: Docker
  readonly #view: SwarmView
  readonly #files: LogFiles
  /** Output that is being saved, by instance. */
  readonly #keeping = new Map<string, Promise<void>>()

  constructor(docker: Docker, view: SwarmView, home: string) {
    this.#docker = docker
    this.#view = view
    this.#files = new LogFiles(join(home, 'logs', 'functions'))
  }

  async sources(route: string): Promise<string[]> {
    await Promise.all(this.#keeping.values())
    const [kept, living] = await Promise.all([this.#files.sources(route), this.#view.look()])
    const own = living.filter(seen => seen.is.route === route && phaseOf(seen) !== 'going')
    return [...new Set([...kept, ...own.map(({ is }) => is.id)])]
  }

  async *read(source: LogSource, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const living = await this.#view.of(source.id)
    if (living !== undefined && phaseOf(living) !== 'going') {
      yield* this.#ofTask({ task: living.task.ID, instance: source.id }, query, signal)
      return
    }
    await this.#keeping.get(source.id)
    yield* this.#files.read({ ...source, isLive: async () => false }, query, signal)
  }

  async forget(route: string): Promise<void> {
    await Promise.all(this.#keeping.values())
    await this.#files.remove(route)
  }

  /**
   * Saves the output of an instance that is about to be removed.
   * @param isFollowed it is still running: until its end
   */
  keep(is: Identity, task: string, isFollowed: boolean): Promise<void> {
    const keeping = this.#keep(is, task, isFollowed).finally(() => this.#keeping.delete(is.id))
    this.#keeping.set(is.id, keeping)
    return keeping
  }

  async #keep({ id, route }: Identity, task: string, follow: boolean): Promise<void> {
    const lines: LogLine[] = []
    // One that is followed ends with its task.
    const signal = follow ? new AbortController().signal : AbortSignal.timeout(READ_MS)
    for await (const line of this.#ofTask({ task, instance: id }, { follow, tail: MOST_LINES_KEPT }, signal)) {
      lines.push(line)
    }
    if (lines.length > 0) await this.#files.write(route, id, lines.slice(-MOST_LINES_KEPT))
  }

  async *#ofTask(
    { task, instance }: { task: string; instance: string },
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncGenerator<LogLine> {
    let source: Readable
    const options = {
      ...{ stdout: true, stderr: true, timestamps: true, abortSignal: signal },
      ...(query.since !== undefined && { since: Math.floor(new Date(query.since).getTime() / 1000) }),
      ...(query.tail !== undefined && { tail: query.tail }),
    }
    try {
      const handle = this.#docker.getTask(task) as unknown as {
        logs(options: object): Promise<NodeJS.ReadableStream | Buffer>
      }
      const answer = await handle.logs({ ...options, follow: query.follow })
      source = Buffer.isBuffer(answer) ? Readable.from([answer]) : (answer as Readable)
    } catch (error) {
      if (isDockerStatus(error, 404, 409) || signal.aborted) return
      throw translateDockerError(error, `reading the logs of task ${task}`)
    }
    const seen = { lastAt: performance.now() }
    if (query.follow) void this.#endWithTask(task, source, seen)
    for await (const line of logLines(source, instance)) {
      seen.lastAt = performance.now()
      // Swarm takes whole seconds.
      if (query.since === undefined || line.time >= query.since) yield line
    }
  }

  /** Swarm goes on waiting for output of a task that ended. */
  async #endWithTask(task: string, source: Readable, output: { lastAt: number }): Promise<void> {
    while (!source.destroyed) {
      await delay(LOOK_EVERY_MS)
      const seen = await this.#view.look().catch(() => undefined)
      if (seen === undefined) continue
      const own = seen.find(each => each.task.ID === task)
      const isOver = own === undefined || hasEnded(own)
      if (isOver && performance.now() - output.lastAt > QUIET_MS) source.destroy()
    }
  }
}
