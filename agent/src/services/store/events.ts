/** What the store tells its surroundings, one line each in its log. */
export type StoreEvent =
  | { type: 'relay'; state: string; message?: string }
  /** A request met a fault of ours. */
  | { type: 'error'; message: string }
  /** Nothing can be written any more: the process has to be started again. */
  | { type: 'failed'; message: string }

export type OnStoreEvent = (event: StoreEvent) => void
