/** Output of a container as lines with Docker's own time stamps. */
import { PassThrough, Readable } from 'node:stream'
import type Docker from 'dockerode'
import type { LogLine } from '../../contract/index.ts'
import type { LogQuery } from '../engine.ts'
import { isDockerStatus, translateDockerError } from './docker-errors.ts'

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
    if (isDockerStatus(error, 404) || query.signal.aborted) return
    throw translateDockerError(error, `reading the logs of ${container.name}`)
  }

  const merged = new PassThrough({ objectMode: true })
  const streams = (['stdout', 'stderr'] as const).map(stream => lineSplitter(stream, container.instance, merged))
  docker.modem.demuxStream(source, streams[0]!.input, streams[1]!.input)
  const finish = () => {
    for (const stream of streams) stream.flush()
    merged.end()
  }
  source.once('end', finish).once('error', finish).once('close', finish)
  try {
    for await (const line of merged) yield line as LogLine
  } finally {
    ;(source as Readable).destroy()
  }
}

function lineSplitter(stream: LogLine['stream'], instance: string, output: PassThrough) {
  let rest = ''
  const push = (text: string) => {
    const space = text.indexOf(' ')
    if (space > 0 && output.writable)
      output.write({ time: text.slice(0, space), stream, instance, line: text.slice(space + 1) } satisfies LogLine)
  }
  const input = new PassThrough()
  input.setEncoding('utf8')
  input.on('data', (chunk: string) => {
    const pieces = (rest + chunk).split('\n')
    rest = pieces.pop()!
    pieces.forEach(push)
  })
  return {
    input,
    flush: () => {
      if (rest !== '') push(rest)
      rest = ''
    },
  }
}
