import type { TestPlatform } from './platform.ts'

const TIMEOUT_MS = 30_000
/** The agent's limit. */
const TAIL = 100_000

/** Output of a function over all instances, including former ones. */
export async function logLinesOf(platform: TestPlatform, name: string): Promise<string[]> {
  const client = await platform.client()
  const input = { params: { name }, query: { follow: 'false', tail: TAIL } }
  const lines: string[] = []
  for await (const { line } of client.stream('logs', input, AbortSignal.timeout(TIMEOUT_MS))) lines.push(line)
  return lines
}
