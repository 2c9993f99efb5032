/** A call that a client has begun: its head was read and understood. */
import type { Requester } from '../access/gate.ts'
import type { FunctionMetrics } from '../metrics/function-metrics.ts'
import type { ClientRequest, ClientResponse } from './client.ts'
import type { RequestHead } from './request-head.ts'
import type { FunctionEntry } from '../routing/routes.ts'
import type { Upgrade } from './tunnel.ts'
import type { ResponseSink } from '../upstream/index.ts'

export interface Call {
  request: ClientRequest
  response: ClientResponse
  entry: FunctionEntry
  /** Its metrics. */
  metrics: FunctionMetrics
  path: string
  /** Pattern of the path by which it came; undefined: below `/functions/`. */
  route: string | undefined
  /** Header line with the parameters in that path, or empty. */
  paramsLine: string
  head: RequestHead
  /** The caller. */
  requester: Requester
  /** Value of the header that tells the function who called; undefined: it is told nothing. */
  caller: string | undefined
  /** The header with which the caller proved that, if no one else may see it: lower case. */
  shown: string | undefined
  /** It must be queued. */
  isAsync: boolean
  expectsContinue: boolean
  /** Takes over both sockets after a 101. Absent if the client asked for no upgrade. */
  tunnel?: (upgrade: Upgrade) => ResponseSink
}
