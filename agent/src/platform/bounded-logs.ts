import { join } from 'node:path'
import { boundFile } from '../host/index.ts'

const PART_LOG_BYTES = 10 * 1024 * 1024
const INTERVAL_MS = 10_000

/** Limits the size of the logs of these parts. */
export function boundLogs(home: string, names: readonly string[]): { close(): void } {
  const boundAll = () => Promise.all(names.map(name => boundFile(join(home, 'logs', `${name}.log`), PART_LOG_BYTES)))
  const timer = setInterval(() => void boundAll().catch(() => undefined), INTERVAL_MS).unref() // The next round tries again.
  return { close: () => clearInterval(timer) }
}
