import { join } from 'node:path'
import { RUNTIME_FILE, WHOLE_FOLDER } from '@ryo-faas/runtime/protocol'
import type { EngineContext } from '../engine-type.ts'

/** How many instances wait, and what they run until they are handed a function. */
export interface PoolSize {
  size: number
  /** Module of the runtime. */
  waiter: string
  /** File that it loads: all of the runtime. */
  runtime: string
}

/** `undefined`: none. */
export function poolSizeOf({ pool = 0, runtimeDir }: Pick<EngineContext, 'pool' | 'runtimeDir'>): PoolSize | undefined {
  if (pool === 0 || runtimeDir === undefined) return undefined
  const compiled = join(runtimeDir, 'dist')
  return {
    size: pool,
    waiter: join(compiled, 'pool', 'wait-for-function.js'),
    runtime: join(compiled, WHOLE_FOLDER, RUNTIME_FILE),
  }
}
