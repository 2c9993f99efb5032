/** Output of functions: from Docker while the container exists, and from our files once it is gone. */
import { join } from 'node:path'
import type Docker from 'dockerode'
import type { ContainerInspectInfo } from 'dockerode'
import type { LogLine } from '../../contract/index.ts'
import type { LogQuery, Logs, LogSource } from '../capabilities.ts'
import { LogFiles } from '../log-files.ts'
import { containerLogs } from './container-logs.ts'
import type { FunctionContainers } from './function-containers.ts'

const MOST_LINES_KEPT = 20_000
const READ_MS = 10_000

export class DockerLogs implements Logs {
  readonly #docker: Docker
  readonly #containers: FunctionContainers
  readonly #files: LogFiles

  constructor(containers: FunctionContainers, { docker, home }: { docker: Docker; home: string }) {
    this.#docker = docker
    this.#containers = containers
    this.#files = new LogFiles(join(home, 'logs', 'functions'))
  }

  async sources(route: string): Promise<string[]> {
    const [kept, living] = await Promise.all([this.#files.sources(route), this.#containers.list({ route })])
    return [...new Set([...kept, ...living.map(({ is }) => is.id)])]
  }

  async *read(source: LogSource, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const living = await this.#containers.find(source.id)
    if (living) yield* containerLogs(this.#docker, { name: living.Id, instance: source.id }, { ...query, signal })
    else yield* this.#files.read({ ...source, isLive: async () => false }, query, signal)
  }

  forget(route: string): Promise<void> {
    return this.#files.remove(route)
  }

  /** Saves the output of a container that is about to be removed. */
  async keep(found: ContainerInspectInfo, id: string): Promise<void> {
    const lines: LogLine[] = []
    const query = { follow: false, tail: MOST_LINES_KEPT, signal: AbortSignal.timeout(READ_MS) }
    for await (const line of containerLogs(this.#docker, { name: found.Id, instance: id }, query)) lines.push(line)
    const is = await this.#containers.identityOf(found.Config.Labels)
    if (lines.length > 0 && is !== undefined) await this.#files.write(is.route, id, lines)
  }
}
