/**
 * Gives back memory that nothing refers to. V8 collects little in a process that does nothing: an instance would keep the
 * garbage of its last calls for as long as it is idle or frozen, a seventh of its memory.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { monotonicNow } from '../telemetry/index.ts'

/** It takes 12 ms for a heap of 10 MB, and its time grows with the heap: a larger one is left to V8. */
const LARGEST_HEAP_BYTES = { frozen: 128 * 1024 ** 2, idle: 32 * 1024 ** 2 }
/** Nothing has run for so long. */
const IDLE_MS = 1_000
/** A call that comes meanwhile waits for it, so it is rare where calls come all the time. */
const APART_MS = 60_000

/** Also compiled code that was not used for a while. V8 before 12 (Node 20) takes any argument for "a small one". */
const THOROUGHLY = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const
const TAKES_OPTIONS = Number(process.versions.v8.split('.', 1)[0]) >= 12

type Collect = (options?: typeof THOROUGHLY) => void

/** Settles it when nothing has run for a while, which costs a call next to nothing. */
export class IdleMemory {
  readonly #isIdle: () => boolean
  readonly #settle: () => Promise<void>
  #timer: NodeJS.Timeout | undefined
  #wasUsed = false
  #settledAt = -Infinity

  /** @param isIdle whether nothing runs */
  constructor(isIdle: () => boolean, settle: () => Promise<void> = () => settleMemory('idle')) {
    this.#isIdle = isIdle
    this.#settle = settle
  }

  /** Something has run. */
  used(): void {
    this.#wasUsed = true
    if (this.#timer === undefined) this.#lookIn(Math.max(IDLE_MS, this.#settledAt + APART_MS - monotonicNow()))
  }

  #lookIn(ms: number): void {
    this.#wasUsed = false
    this.#timer = setTimeout(() => void this.#look(), ms).unref()
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    // The end of what runs now says so again.
    if (!this.#isIdle()) return
    if (this.#wasUsed) return this.#lookIn(IDLE_MS)
    this.#settledAt = monotonicNow()
    // Without it, it is idle all the same.
    await this.#settle().catch(() => undefined)
  }
}

/** Blocks the event loop meanwhile; resolves once what came in the meantime has been read. */
export async function settleMemory(reason: keyof typeof LARGEST_HEAP_BYTES): Promise<void> {
  // Here, because loading it takes 1.5 ms, and an instance that starts has somebody waiting.
  const v8 = await import('node:v8')
  if (v8.getHeapStatistics().total_heap_size > LARGEST_HEAP_BYTES[reason]) return
  const collect = collector(v8)
  if (TAKES_OPTIONS) collect(THOROUGHLY)
  else collect()
  await turn()
}

/** From a context of its own: the flag as an argument of Node would put `gc` among the globals of the function. */
function collector({ setFlagsFromString }: typeof import('node:v8')): Collect {
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('gc') as Collect
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
