/**
 * Every error of the store, in one table. Invariants: 1. An error is recognised by its code, never by its
 * text. 2. Nothing of a request that was answered with an error is in the store; where that is not so (an import that
 * broke off) its `details` say how far it came.
 */
export const STORE_ERRORS = {
  INVALID_JSON: { status: 400, about: 'The body is not JSON; the message says where' },
  INVALID_REQUEST: { status: 400, about: 'The body does not have the shape that the route asks for' },
  INVALID_NAME: { status: 400, about: 'A table name or document id is not a legal name' },
  INVALID_HEADER: { status: 400, about: 'A header is invalid' },
  INVALID_QUERY: { status: 400, about: 'A query parameter is unknown or invalid' },
  UNKNOWN_OPERATOR: { status: 400, about: 'A condition uses an operator that does not exist' },
  INVALID_CURSOR: { status: 400, about: 'The cursor is damaged, or belongs to another query' },
  TOO_DEEP: { status: 400, about: 'A document is nested deeper than 64 levels' },
  UNAUTHORIZED: { status: 401, about: 'The request has no token, or a wrong one' },
  FORBIDDEN: { status: 403, about: 'The token does not allow this' },
  FORBIDDEN_ORIGIN: { status: 403, about: 'The Host or Origin header is not one of ours' },
  ROUTE_NOT_FOUND: { status: 404, about: 'The store has no such route' },
  TABLE_NOT_FOUND: { status: 404, about: 'The table does not exist' },
  DOCUMENT_NOT_FOUND: { status: 404, about: 'The table has no document with this id' },
  INDEX_NOT_FOUND: { status: 404, about: 'The table has no index on this field' },
  EVENT_NOT_FOUND: { status: 404, about: 'The log has no event with this sequence' },
  REQUEST_TIMEOUT: { status: 408, about: 'The request did not arrive in time' },
  DOCUMENT_EXISTS: { status: 409, about: 'The table already has a document with this id' },
  EVENTS_TRIMMED: { status: 410, about: 'The log no longer goes back that far' },
  PRECONDITION_FAILED: { status: 412, about: 'If-Match or If-None-Match does not hold' },
  BODY_TOO_LARGE: { status: 413, about: 'The body is larger than the store accepts' },
  BATCH_TOO_LARGE: { status: 413, about: 'A batch produces more documents and events than the store accepts at once' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, about: 'The body is not declared to be JSON' },
  HEADERS_TOO_LARGE: { status: 431, about: 'The headers are larger than the store accepts' },
  INTERNAL: { status: 500, about: 'An internal error of the store' },
  BUSY: { status: 503, about: 'Too many writes are waiting; try again' },
  STORAGE_FAILED: { status: 503, about: 'The disk rejected the write; none of it is kept' },
  STORAGE_UNAVAILABLE: { status: 503, about: 'The database cannot be reached; nothing was written, try again' },
  SHUTTING_DOWN: { status: 503, about: 'The store is shutting down' },
  OUTCOME_UNKNOWN: {
    status: 504,
    about: 'The database went away during the write and has not come back: it is kept as a whole or not at all',
  },
  STORAGE_FULL: { status: 507, about: 'The disk is full; none of the write is kept, reads still work' },
} as const satisfies Record<string, { status: number; about: string }>

export type StoreErrorCode = keyof typeof STORE_ERRORS

/** What helps a program: a position, a version, an index. */
export type ErrorDetails = Record<string, string | number | boolean | null>

export class StoreError extends Error {
  readonly code: StoreErrorCode
  readonly details: ErrorDetails

  constructor(code: StoreErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StoreError'
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return STORE_ERRORS[this.code].status
  }

  /** `{"error":{"code","message",...details}}` */
  toBody(): { error: { code: StoreErrorCode; message: string } & ErrorDetails } {
    return { error: { code: this.code, message: this.message, ...this.details } }
  }
}
