/** Events of the store, one line each in its log. */
export type StoreEvent =
  | { type: 'relay'; state: string; message?: string }
  /** A request hit an internal error. */
  | { type: 'error'; message: string }
  /** No more writes are possible: the process must be restarted. */
  | { type: 'failed'; message: string }

export type OnStoreEvent = (event: StoreEvent) => void
