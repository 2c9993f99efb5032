import { join } from 'node:path'
import { boundFile } from './host/index.ts'

const PART_LOG_BYTES = 10 * 1024 * 1024
const INTERVAL_MS = 10_000

/**
 * Keeps the logs of the parts from growing without end.
 * @param names of the parts, asked each time
 */
export function boundLogs(home: string, names: () => readonly string[]): { close(): void } {
  // One that can not be cut now (a full disk) is tried again.
  const bound = (name: string) => boundFile(join(home, 'logs', `${name}.log`), PART_LOG_BYTES).catch(() => undefined)
  const timer = setInterval(() => names().forEach(name => void bound(name)), INTERVAL_MS).unref()
  return { close: () => clearInterval(timer) }
}
