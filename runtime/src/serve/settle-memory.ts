/**
 * Gives back memory that nothing refers to. An instance is about to be frozen: it would keep its garbage for as long as
 * it sleeps, and V8 collects little in a process that does nothing.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'

/** It takes 20 ms for a heap of 10 MB, and its time grows with the heap: a larger one is left to V8. */
const LARGEST_HEAP_BYTES = 128 * 1024 ** 2

/** Also compiled code that was not used for a while. V8 before 12 (Node 20) takes any argument for "a small one". */
const THOROUGHLY = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const
const TAKES_OPTIONS = Number(process.versions.v8.split('.', 1)[0]) >= 12

type Collect = (options?: typeof THOROUGHLY) => void

/** Blocks the event loop meanwhile; resolves once what came in the meantime has been read. */
export async function settleMemory(): Promise<void> {
  // Here, because loading it takes 1.5 ms, and an instance that starts has somebody waiting.
  const v8 = await import('node:v8')
  if (v8.getHeapStatistics().total_heap_size > LARGEST_HEAP_BYTES) return
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
