/** Removes old events from the log now and then; never one that is not relayed. */
import { StoreError } from '@ryo-faas/runtime/documents'
import type { DocumentStore } from './documents/index.ts'

export interface LogKeeperOptions {
  store: DocumentStore
  retentionMs: number
  /** Sequence up to which the log may go. */
  relayed: () => Promise<number>
  onError: (error: Error) => void
}

const PERIOD_MS = 60_000

/** @returns a function that ends it */
export function keepLogShort({ store, retentionMs, relayed, onError }: LogKeeperOptions): () => Promise<void> {
  const trim = async () => {
    const before = new Date(Date.now() - retentionMs).toISOString()
    try {
      await store.trimLog({ before, through: await relayed() })
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'SHUTTING_DOWN') onError(error as Error)
    }
  }
  let work = trim()
  const timer = setInterval(() => (work = work.then(trim)), PERIOD_MS)
  return () => {
    clearInterval(timer)
    return work
  }
}
