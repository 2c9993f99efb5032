/**
 * Version of the protocol between platform and runtime: 1 serves requests; 2 says which instance it is
 * (`HEADERS.instance`), sends its token to the store and the collector, and accepts events only from the platform
 * (`HEADERS.delivery`). The runtime is bundled with a function, so an old version of it keeps its own.
 */
export const RUNTIME_PROTOCOL = 2

/** Of a server that knows nothing of ours: it listens on `PORT`, and is asked nothing but what its callers ask. */
export const PLAIN_PROTOCOL = 0

/** What belongs to one connection (RFC 9110 §7.6.1): nothing passes it on, in a request or an answer. */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Header names of the protocol between proxy, dispatcher and function. Lower case, as Node reports them. */
export const HEADERS = {
  /** Set on every response made by the platform, not the function; its value is the error code. */
  error: 'x-ryo-faas-error',
  /**
   * Id of the instance whose runtime made a platform error. The proxy believes `error` only if this names the instance
   * it asked: a function that relays another's response relays the header too, but was not refused itself.
   */
  errorFrom: 'x-ryo-faas-error-from',
  /**
   * Id of an instance. In a request: its recipient; another runtime returns 421 with its own id and runs nothing. In a
   * 102 response, ahead of anything else on the connection: the sender. Never reaches a function or a client.
   */
  instance: 'x-ryo-faas-instance',
  /**
   * In the first request of a connection: proof that the platform makes it, a secret of the instance. Where instances
   * have one (`ENV.instanceKey`), they answer nobody else. Handlers do not see it.
   */
  instanceKey: 'x-ryo-faas-instance-key',
  /** Correlates one request across all parts; set by the client or made by the proxy. */
  requestId: 'x-request-id',
  /** Id of an asynchronous call. */
  callId: 'x-call-id',
  /** Attempt of an asynchronous call, counting from 1. */
  callAttempt: 'x-call-attempt',
  /**
   * What a route pattern took from the path: URL-encoded JSON of an object of strings. The proxy sets it and drops
   * what comes from outside; handlers see it as `context().params` only.
   */
  params: 'x-ryo-faas-params',
  /** Milliseconds the caller is still willing to wait; an instance uses the lesser of this and its own timeout. */
  deadlineMs: 'x-ryo-faas-deadline-ms',
  /**
   * The dispatcher's proof to the proxy, a secret of the platform: with it a call is run at once even if its function
   * is asynchronous, and `callId` and `callAttempt` pass. Never reaches a function.
   */
  dispatch: 'x-ryo-faas-dispatch',
  /**
   * The proxy's proof to an instance that the platform sends the request, a secret of the deployment: with it the
   * instance takes events, `callId` and `callAttempt`. Handlers do not see it.
   */
  delivery: 'x-ryo-faas-delivery',
  /**
   * How many document events led to this request, one after the other. Functions pass it on, so that triggers that set
   * each other off are detected. Signed by the dispatcher; unsigned it counts as 0.
   */
  eventDepth: 'x-event-depth',
  /**
   * Who called, as the proxy made sure by the function's access rule: URL-encoded JSON of a `Caller`. The proxy drops
   * what comes from outside, and an instance believes it only together with `delivery`; handlers see it as
   * `context().caller` only.
   */
  caller: 'x-ryo-faas-caller',
  /** Where to send the result of an asynchronous call. */
  callbackUrl: 'x-callback-url',
  /** `cloudevents`: the result comes as a CloudEvent in binary mode. */
  callbackFormat: 'x-callback-format',
  /** Asynchronous calls of one function with the same key are one call. */
  idempotencyKey: 'idempotency-key',
} as const
