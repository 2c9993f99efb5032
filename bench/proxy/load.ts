/** One wrk run, and the CPU time that a process tree used during it. */
import { run } from '../support/programs.ts'
import { cpuTimeUs } from '../support/processes.ts'

export interface LoadResult {
  requestsPerSecond: number
  /** Of those that were answered with success. */
  goodPerSecond: number
  p50Ms: number
  p99Ms: number
  /** CPU time per request of the given processes, user and system. */
  cpuUs: number
  failures: number
}

/** @param pid root of the process tree whose CPU time is counted. */
export async function load(
  target: { url: string; pid: number },
  options: { seconds: number; connections: number; headers?: Record<string, string> },
): Promise<LoadResult> {
  const before = cpuTimeUs(target.pid)
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t1', `-c${options.connections}`, `-d${options.seconds}s`, '--latency', ...headers, target.url]
  const text = await run('wrk', args)
  const usedUs = cpuTimeUs(target.pid) - before
  const find = (pattern: RegExp) => pattern.exec(text)?.slice(1) ?? []
  const socketErrors = find(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)
  const failures = [...socketErrors, ...find(/Non-2xx or 3xx responses: (\d+)/)]
  const requestsPerSecond = Number(find(/Requests\/sec:\s+([\d.]+)/)[0])
  const requests = Number(find(/(\d+) requests in/)[0])
  const refused = Number(find(/Non-2xx or 3xx responses: (\d+)/)[0] ?? 0)
  return {
    requestsPerSecond,
    goodPerSecond: requestsPerSecond * (1 - refused / requests),
    p50Ms: milliseconds(find(/\n\s+50%\s+(\S+)/)[0]),
    p99Ms: milliseconds(find(/\n\s+99%\s+(\S+)/)[0]),
    cpuUs: usedUs / requests,
    failures: failures.reduce((sum, count) => sum + Number(count), 0),
  }
}

function milliseconds(text = ''): number {
  const value = Number.parseFloat(text)
  return text.endsWith('us') ? value / 1000 : text.endsWith('ms') ? value : value * 1000
}
