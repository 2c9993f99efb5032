/** Output of a container as lines with Docker's own time stamps. */
import { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type Docker from 'dockerode'
import type { LogLine } from '../../contract/index.ts'
import { isDockerStatus, translateDockerError } from '../../docker/index.ts'
import type { LogQuery } from '../capabilities.ts'
import { logFrames } from './log-frames.ts'

export async function* containerLogs(
  docker: Docker,
  container: { name: string; instance: string },
  query: LogQuery & { signal: AbortSignal },
): AsyncGenerator<LogLine> {
  let source: NodeJS.ReadableStream
  try {
    const options = {
      stdout: true,
      stderr: true,
      timestamps: true,
      ...(query.since !== undefined && { since: new Date(query.since).getTime() / 1000 }),
      ...(query.tail !== undefined && { tail: query.tail }),
    }
    const handle = docker.getContainer(container.name)
    source = query.follow
      ? await handle.logs({ ...options, follow: true, abortSignal: query.signal })
      : Readable.from([await handle.logs({ ...options, follow: false, abortSignal: query.signal })])
  } catch (error) {
    // Gone, or being removed at this moment.
    if (isDockerStatus(error, 404, 409) || query.signal.aborted) return
    throw translateDockerError(error, `reading the logs of ${container.name}`)
  }
  yield* logLines(source as Readable, container.instance)
}

/** The lines in Docker's frames, each of which begins with Docker's time. Ends where the source does, also if it breaks off. */
export async function* logLines(source: Readable, instance: string): AsyncGenerator<LogLine> {
  const lines = { stdout: new LineSplitter(), stderr: new LineSplitter() }
  const lineOf = (stream: LogLine['stream'], text: string): LogLine => {
    const space = text.indexOf(' ')
    return { time: text.slice(0, space), stream, instance, line: text.slice(space + 1) }
  }
  try {
    for await (const { stream, data } of logFrames(source)) {
      for (const text of lines[stream].push(data)) yield lineOf(stream, text)
    }
  } catch {
    // Aborted, or the engine is gone: the output ends here.
  } finally {
    source.destroy()
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = lines[stream].end()
    if (rest !== '') yield lineOf(stream, rest)
  }
}

/** A line may span several frames, and a character two. */
class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  push(data: Buffer): string[] {
    const pieces = (this.#rest + this.#decoder.write(data)).split('\n')
    this.#rest = pieces.pop()!
    return pieces
  }

  end(): string {
    return this.#rest + this.#decoder.end()
  }
}
