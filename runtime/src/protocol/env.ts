/**
 * The variables through which an engine tells a function instance who it is. Every one is a string; numbers are
 * decimal. A user's own `env` cannot override them (the deployer writes ours last).
 */
export const ENV = {
  /** Deployment name as the user wrote it, e.g. `HelloWorld`. */
  name: 'RYO_FAAS_FUNCTION',
  /** Version number of the deployment, counting from 1. */
  version: 'RYO_FAAS_VERSION',
  /** Unique id of this instance. */
  instance: 'RYO_FAAS_INSTANCE',
  /** Address to listen on; default `0.0.0.0` in a container, `127.0.0.1` as a process. */
  host: 'RYO_FAAS_HOST',
  /** Port to listen on; `0` means any free one. Default 6000. */
  port: 'RYO_FAAS_PORT',
  /** If set, the instance writes `{"port":n,"pid":n}` there (atomically) once it answers requests. */
  readyFile: 'RYO_FAAS_READY_FILE',
  /** Maximum duration of one invocation, in milliseconds. */
  timeoutMs: 'RYO_FAAS_TIMEOUT_MS',
  /** Maximum number of concurrent invocations in this instance. */
  concurrency: 'RYO_FAAS_CONCURRENCY',
  /** Largest request body in bytes; `0` means no limit. */
  bodyLimitBytes: 'RYO_FAAS_BODY_LIMIT_BYTES',
  /** How long SIGTERM waits for invocations in flight, in milliseconds. */
  drainMs: 'RYO_FAAS_DRAIN_MS',
  /** `1`: prefix every line of stdout and stderr with an ISO time (where the engine does not stamp lines itself). */
  stampLogs: 'RYO_FAAS_STAMP_LOGS',
  /** Base URL of the proxy as seen from this instance, e.g. `http://rfa-proxy:9999`. */
  proxyUrl: 'RYO_FAAS_PROXY_URL',
  /** Base URL of the store as seen from this instance. */
  storeUrl: 'RYO_FAAS_STORE_URL',
  /** Token of this instance for the store and the collector (`Authorization: Bearer …`). */
  token: 'RYO_FAAS_TOKEN',
  /** Token that the platform sends with events and asynchronous calls (`HEADERS.delivery`). */
  deliveryToken: 'RYO_FAAS_DELIVERY_TOKEN',
  /**
   * Key that a connection shows before it is answered (`HEADERS.instanceKey`); without it everybody is. Set where others
   * than the platform reach the address of an instance.
   */
  instanceKey: 'RYO_FAAS_INSTANCE_KEY',
  /** Base URL of the collector of spans as seen from this instance. Without it nothing is recorded. */
  tracesUrl: 'RYO_FAAS_TRACES_URL',
  /** JSON of what is recorded: `{"perSecond":n,"ratio":n,"slowMs":n}`, see `TracingSettings`. */
  traceSampling: 'RYO_FAAS_TRACE_SAMPLING',
} as const
