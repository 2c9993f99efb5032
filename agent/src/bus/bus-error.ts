/** What can go wrong on the bus, told apart by `code`. Errors of the library become one of these in this folder. */

/**
 * `NO_REPLICAS`: there are not as many servers as a stream is to be kept on; `UNAVAILABLE`: no connection, no answer in time, or no such stream (whether a message was stored is not known);
 * `FULL`: the stream is full; `CONFLICT`: another writer was first on the subject; `REFUSED`: anything else the server
 * rejected.
 */
export type BusErrorCode = 'UNAVAILABLE' | 'FULL' | 'CONFLICT' | 'NO_REPLICAS' | 'REFUSED'

export class BusError extends Error {
  readonly code: BusErrorCode

  constructor(code: BusErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'BusError'
    this.code = code
  }
}

/** Codes of the JetStream API (nats-server, server/errors.json). */
export const JETSTREAM_ERRORS = {
  wrongLastSequence: 10071,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  deleteFailed: 10057,
  maximumBytes: 10077,
  maximumMessages: 10078,
  storageExceeded: 10047,
  maximumStreams: 10027,
  accountResourcesExceeded: 10002,
  notEnabledForAccount: 10039,
  notEnabled: 10076,
  noSuitablePeers: 10005,
  replicasNotSupported: 10074,
} as const

const NO_REPLICAS: readonly number[] = [JETSTREAM_ERRORS.noSuitablePeers, JETSTREAM_ERRORS.replicasNotSupported]
const FULL: readonly number[] = [
  JETSTREAM_ERRORS.maximumBytes,
  JETSTREAM_ERRORS.maximumMessages,
  JETSTREAM_ERRORS.storageExceeded,
  JETSTREAM_ERRORS.maximumStreams,
  JETSTREAM_ERRORS.accountResourcesExceeded,
]

/** Whether the library threw this error of the JetStream API. */
export function isApiError(thrown: unknown, code: number): boolean {
  return (thrown as { api_error?: ApiError }).api_error?.err_code === code
}

export interface ApiError {
  code: number
  err_code?: number | undefined
  description?: string | undefined
}

export function fromApiError(error: ApiError): BusError {
  const message = error.description ?? `the bus answered ${error.code}`
  if (error.err_code === JETSTREAM_ERRORS.wrongLastSequence) return new BusError('CONFLICT', message)
  // The server names a stream that is full 10077 or, from the store itself, just 503.
  if (NO_REPLICAS.includes(error.err_code ?? 0)) return new BusError('NO_REPLICAS', message)
  if (FULL.includes(error.err_code ?? 0) || /^(maximum|insufficient)/.test(message))
    return new BusError('FULL', message)
  return new BusError(error.code === 503 ? 'UNAVAILABLE' : 'REFUSED', message)
}

/** API errors keep their meaning; anything else the library throws means that there was no answer. */
export function fromThrown(thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown
  const { api_error: apiError, message } = thrown as Error & { api_error?: ApiError }
  if (apiError !== undefined) return fromApiError(apiError)
  return new BusError('UNAVAILABLE', `the bus is not responding: ${message}`, thrown)
}
