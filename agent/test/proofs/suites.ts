/** The suites of `npm run proofs`, and the standard behind each. They consist of tests that `npm run test:all` runs as well. */
export interface Suite {
  name: string
  /** What it follows, with its version. */
  follows: string
  /** Globs of test files, relative to the repository; a suite without a seed has none to choose. */
  files: readonly string[]
  isSeeded: boolean
}

const PROXY = 'agent/src/services/proxy'
const STORE = 'agent/src/services/store'
const DISPATCHER = 'agent/src/services/dispatcher'

export const SUITES: readonly Suite[] = [
  {
    name: 'Trace context over fetch, node:http and undici',
    follows: 'W3C Trace Context, levels 1 and 2, strict',
    files: ['agent/test/tracing/trace-context.test.ts'],
    isSeeded: false,
  },
  {
    name: 'HTTP/1.1 on raw sockets',
    follows: 'RFC 9110, RFC 9112',
    files: [
      `${PROXY}/http/{forwarding,streaming,failures,introduction}.test.ts`,
      `${PROXY}/upstream/response-head.test.ts`,
    ],
    isSeeded: false,
  },
  {
    name: 'Request smuggling',
    follows: 'RFC 9112 §6.3, §11.2; every severe case is refused and the connection closed',
    files: [`${PROXY}/http/{malformed,target}.test.ts`],
    isSeeded: false,
  },
  {
    name: 'Parsers compared with llhttp and nginx',
    follows: 'llhttp of this Node, nginx of this machine',
    files: [`${PROXY}/upstream/response-differential.test.ts`, 'agent/test/proofs/request-differential.test.ts'],
    isSeeded: true,
  },
  {
    name: 'WebSocket',
    follows: 'RFC 6455, with ws as client and server',
    files: [`${PROXY}/http/tunnel.test.ts`, 'agent/test/proofs/web-socket.test.ts'],
    isSeeded: false,
  },
  {
    name: 'Webhooks',
    follows: 'Standard Webhooks 1.0.0, with a second verifier',
    files: [`${DISPATCHER}/callbacks/*.test.ts`, 'agent/test/proofs/webhook-signatures.test.ts'],
    isSeeded: false,
  },
  {
    name: 'CloudEvents of the store',
    follows: 'CloudEvents 1.0.2, JSON format and structured mode',
    files: ['agent/test/proofs/cloud-events.test.ts'],
    isSeeded: false,
  },
  {
    name: 'CloudEvents from elsewhere',
    follows: 'CloudEvents 1.0.2 over HTTP: binary, structured and batch mode; what is sent out is read by its SDK',
    files: [
      `${PROXY}/events-api/*.test.ts`,
      `${DISPATCHER}/triggers/event/*.test.ts`,
      `${DISPATCHER}/callbacks/callbacks.test.ts`,
    ],
    isSeeded: false,
  },
  {
    name: 'Fuzzing: APIs, command line and deploy.json',
    follows: 'our own OpenAPI documents, commands and schema',
    files: ['agent/test/proofs/{api,command-line}-fuzz.test.ts', 'agent/src/deploy-file/deploy-file-fuzz.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: asynchronous calls',
    follows: 'every accepted call ends once and calls back, whatever is killed',
    files: ['agent/test/async/chaos.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: schedules',
    follows: 'each time is exactly one call, of two dispatchers, whatever is killed',
    files: ['agent/test/async/schedules-chaos.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: documents and their events',
    follows: 'no write is lost or doubled, no event missed or out of order',
    files: ['agent/test/store/chaos.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: functions that sleep and wake',
    follows: 'at every step of freeze, wake, hand-over and scale-out: no call is lost, no instance forgotten',
    files: ['agent/test/elastic/chaos.test.ts', 'agent/src/deployments/scaling/scaler.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: whole machines',
    follows:
      'killed under load, the leading one first: nothing acknowledged is lost, all route tables agree in the end',
    files: ['agent/test/swarm/chaos.test.ts'],
    isSeeded: true,
  },
  {
    name: 'Chaos: documents in PostgreSQL',
    follows: 'nothing lost, halved, doubled, missed or out of order, whatever is killed: the store, PostgreSQL or NATS',
    files: [`${STORE}/postgres/crash.test.ts`],
    isSeeded: true,
  },
  {
    name: 'Linearizability of documents',
    follows: 'Herlihy and Wing, exhaustive for each document, on both stores while they are killed',
    files: [`${STORE}/testing/{linearizability,histories}.test.ts`],
    isSeeded: true,
  },
  {
    name: 'Queries of PostgreSQL compared',
    follows: 'the store in memory, which is the definition',
    files: [`${STORE}/postgres/{fields,query/query-differential}.test.ts`],
    isSeeded: true,
  },
  {
    name: 'Lock-down of containers',
    follows: 'docker inspect, point by point',
    files: ['agent/test/proofs/lock-down.test.ts'],
    isSeeded: false,
  },
  {
    name: 'Doors',
    follows: 'five strangers at every door of a platform, each next to one who is let in',
    files: ['agent/test/proofs/doors.test.ts'],
    isSeeded: false,
  },
]
