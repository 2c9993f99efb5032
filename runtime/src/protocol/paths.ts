/** Port of a function inside the private network. */
export const FUNCTION_PORT = 6000

/** Paths below this prefix belong to the platform: the runtime handles them and the proxy never forwards them. */
export const RESERVED_PREFIX = '/.ryo-faas/'
export const HEALTH_PATH = '/.ryo-faas/health'
export const METRICS_PATH = '/.ryo-faas/metrics'
/**
 * `POST`, before an instance is frozen: 204 when nothing runs in it and its spans have left, 409 if something runs. An
 * instance that does not know the path has nothing to say against it.
 */
export const REST_PATH = '/.ryo-faas/rest'
/**
 * Where an instance receives events: `POST /.ryo-faas/events/<handler>`, one CloudEvent each. The proxy
 * forwards it for the dispatcher only.
 */
export const EVENTS_PREFIX = '/.ryo-faas/events/'

/** Where the proxy serves functions: `/functions/<name>[/rest][?query]`. */
export const FUNCTIONS_PREFIX = '/functions/'
/** The same functions, called asynchronously: `/async-function/<name>[/rest][?query]`. */
export const ASYNC_FUNCTIONS_PREFIX = '/async-function/'
/** Where the proxy shows asynchronous calls. */
export const CALLS_PATH = '/calls'
/** Where the proxy takes CloudEvents: `POST`, in binary, structured or batch mode. */
export const EVENTS_PATH = '/events'
