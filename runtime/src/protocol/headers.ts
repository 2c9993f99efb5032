/**
 * What the runtime in an instance can do: 1 answers requests; 2 says which instance it is (`HEADERS.instance`), shows its
 * token to the store and the collector, and takes events from the platform only (`HEADERS.delivery`). It is built into a
 * function's package, so an old version keeps the one it was built with.
 */
export const RUNTIME_PROTOCOL = 2

/** Header names of the protocol between proxy, dispatcher and function. Lower case, as Node reports them. */
export const HEADERS = {
  /** Set on every answer that the platform (not the function) made; its value is the error code. */
  error: 'x-ryo-faas-error',
  /**
   * Id of the instance whose runtime made a platform error. The proxy believes `error` only if this names the instance it
   * asked: a function that relays another's answer relays the header too, and was not refused itself.
   */
  errorFrom: 'x-ryo-faas-error-from',
  /**
   * Id of an instance. In a request: whom it is for; another runtime answers 421 with its own id and runs nothing. In a 102
   * answer, ahead of whatever else comes on the connection: who it is that answers. Never reaches a function or a client.
   */
  instance: 'x-ryo-faas-instance',
  /** Correlates one request over all parts; taken over from the client or made by the proxy. */
  requestId: 'x-request-id',
  /** Id of an asynchronous call. */
  callId: 'x-call-id',
  /** Attempt of an asynchronous call, counting from 1. */
  callAttempt: 'x-call-attempt',
  /** Milliseconds the caller is still willing to wait; an instance uses the lesser of this and its own timeout. */
  deadlineMs: 'x-ryo-faas-deadline-ms',
  /**
   * The dispatcher's proof to the proxy, a secret of the platform: with it a call is run at once even if its function is
   * asynchronous, and `callId` and `callAttempt` pass. Never reaches a function.
   */
  dispatch: 'x-ryo-faas-dispatch',
  /**
   * The proxy's proof to an instance that the platform sends the request, a secret of the deployment: with it the
   * instance takes events, `callId` and `callAttempt`. Handlers do not see it.
   */
  delivery: 'x-ryo-faas-delivery',
  /**
   * How many document events led to this request, one after the other: what a function does on behalf of an event carries
   * it on unread, so that triggers that set each other off are found out. Signed by the dispatcher; what is not counts as 0.
   */
  eventDepth: 'x-event-depth',
  /** Where the result of an asynchronous call is to be sent. */
  callbackUrl: 'x-callback-url',
  /** Asynchronous calls of one function with the same key are one call. */
  idempotencyKey: 'idempotency-key',
} as const
