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

type Reason = keyof typeof LARGEST_HEAP_BYTES

/** Of one process, in which calls run. Invariant: nothing is left to do when it thaws, because a call waits then. */
export class IdleMemory {
  readonly #isIdle: () => boolean
  readonly #settle: (reason: Reason) => Promise<boolean>
  #timer: NodeJS.Timeout | undefined
  #wasUsed = false
  #isSettled = false
  #settledAt = -Infinity

  /** @param isIdle whether nothing runs */
  constructor(isIdle: () => boolean, settle = settleMemory) {
    this.#isIdle = isIdle
    this.#settle = settle
  }

  /** Something has run: it is settled when nothing has for a while. Costs a call next to nothing. */
  used(): void {
    this.#wasUsed = true
    this.#isSettled = false
    if (this.#timer === undefined) this.#lookIn(Math.max(IDLE_MS, this.#settledAt + APART_MS - monotonicNow()))
  }

  /** Before the process is frozen; resolves once what came meanwhile has been read. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#isSettled) await this.#settleFor('frozen')
  }

  #lookIn(ms: number): void {
    this.#wasUsed = false
    this.#timer = setTimeout(() => void this.#look(), ms).unref()
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    // The end of what runs now says so again.
    if (!this.#isIdle()) return
    if (this.#wasUsed) this.#lookIn(IDLE_MS)
    else await this.#settleFor('idle')
  }

  async #settleFor(reason: Reason): Promise<void> {
    this.#settledAt = monotonicNow()
    this.#isSettled = true
    // Before it begins: a call that ends meanwhile says otherwise. A failure only costs memory.
    if (!(await this.#settle(reason).catch(() => false))) this.#isSettled = false
  }
}

/** Blocks the event loop meanwhile, and gives it a turn afterwards. @returns whether it did, or the heap is too large */
async function settleMemory(reason: Reason): Promise<boolean> {
  // Here, because loading it takes 1.5 ms, and an instance that starts has somebody waiting.
  const v8 = await import('node:v8')
  if (v8.getHeapStatistics().total_heap_size > LARGEST_HEAP_BYTES[reason]) return false
  const collect = collector(v8)
  if (TAKES_OPTIONS) collect(THOROUGHLY)
  else collect()
  await turn()
  return true
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
