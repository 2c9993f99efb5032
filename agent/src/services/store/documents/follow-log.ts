/** `changes` for stores that read their log piece by piece and know of their commits. */
import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ChangesOptions, LogEntry } from './document-store.ts'

export interface LogPiece {
  entries: LogEntry[]
  /** How far was looked: below `from` if there is nothing yet. */
  through: number
}

export interface FollowedLog {
  /** Events with a sequence from `from` on, of one table or all; at most `limit`, fewer if they are large. */
  read(options: { from: number; limit: number; table?: string }): LogPiece | Promise<LogPiece>
  /** Resolves once there may be events above this sequence, or the signal is aborted. */
  newsAbove(sequence: number, signal: AbortSignal): Promise<void>
}

/** Events that are read at once: the thread is held for a millisecond or so. */
const PIECE = 100

export async function* followLog(
  log: FollowedLog,
  { from, table, signal }: ChangesOptions,
): AsyncGenerator<readonly LogEntry[]> {
  const where = { limit: PIECE, ...(table !== undefined && { table }) }
  let next = from
  while (!signal.aborted) {
    const { entries, through } = await log.read({ from: next, ...where })
    if (through < next) {
      await log.newsAbove(next - 1, signal)
      continue
    }
    next = through + 1
    if (entries.length > 0) yield entries
    await nextTurn()
  }
}

/** For those who wait for commits. */
export class CommitNews {
  readonly #commits = new EventEmitter().setMaxListeners(0)
  #last: number

  /** @param last sequence of the last event */
  constructor(last: number) {
    this.#last = last
  }

  /** Sequence of the last event that was told of. */
  get last(): number {
    return this.#last
  }

  /** Events up to this sequence can be read. */
  tell(last: number): void {
    if (last === this.#last) return
    this.#last = last
    this.#commits.emit('commit')
  }

  async above(sequence: number, signal: AbortSignal): Promise<void> {
    if (this.#last <= sequence) await once(this.#commits, 'commit', { signal }).catch(() => undefined)
  }
}
