/** What a server is that others run, and why it cannot be used. */
import { linkOf, type Bus } from './bus.ts'
import { BusError, isApiError, JETSTREAM_ERRORS } from './bus-error.ts'

export interface ServerDescription {
  version: string
  /** Bytes. */
  maxPayload: number
  /** Name of its cluster. */
  cluster: string | undefined
  /** How many members of it are known to run; 1 without a cluster. */
  members: number
  /** Streams that the account has, and may have; absent: as many as it likes. */
  streams: number
  maxStreams: number | undefined
}

/**
 * `denied`: wrong credentials, or none; `untrusted`: its certificate is not trusted, or it does not trust ours;
 * `no-tls`: TLS is asked of a server without; `away`: anything else.
 */
export type ConnectionFault = 'denied' | 'untrusted' | 'no-tls' | 'away'

const DENIED = new Set(['AUTHORIZATION_VIOLATION', 'AUTHENTICATION_EXPIRED', 'ACCOUNT_EXPIRED', 'BAD_AUTHENTICATION'])
const BAD_CREDENTIALS = new Set(['BAD_CREDS'])

/** Of an error that `onFailure` of `connectBus` was told. */
export function faultOf(error: Error): ConnectionFault {
  const { code = '', chainedError } = error as Error & { code?: string; chainedError?: Error & { code?: string } }
  if (DENIED.has(code) || BAD_CREDENTIALS.has(code)) return 'denied'
  if (code === 'SERVER_OPT_NA') return 'no-tls'
  const about = `${code} ${chainedError?.code ?? ''} ${error.message} ${chainedError?.message ?? ''}`
  return /TLS|SSL|CERT|certificate|self-signed/.test(about) ? 'untrusted' : 'away'
}

/**
 * Asks for the account with which we are connected.
 * @throws BusError UNAVAILABLE if the server is not responding; REFUSED if JetStream is not there for us
 */
export async function describeServer(bus: Bus): Promise<ServerDescription> {
  const { connection, manager } = linkOf(bus)
  const info = connection.info!
  let account: Awaited<ReturnType<typeof manager.getAccountInfo>>
  try {
    account = await manager.getAccountInfo()
  } catch (error) {
    throw withoutJetStream(error) ?? new BusError('UNAVAILABLE', `not responding: ${(error as Error).message}`, error)
  }
  const { max_streams: most } = account.limits
  return {
    version: info.version,
    maxPayload: info.max_payload,
    cluster: info.cluster,
    members: info.cluster === undefined ? 1 : Math.max(1, info.connect_urls?.length ?? 1),
    streams: account.streams,
    maxStreams: most > 0 ? most : undefined,
  }
}

/** Bytes that a message may have. */
export function maxPayloadOf(bus: Bus): number {
  return linkOf(bus).connection.info!.max_payload
}

function withoutJetStream(error: unknown): BusError | undefined {
  const { code } = error as { code?: string }
  if (code === '503' && !('api_error' in (error as object) && (error as { api_error?: unknown }).api_error))
    return new BusError('REFUSED', 'JetStream is not enabled on this server', error)
  if (isApiError(error, JETSTREAM_ERRORS.notEnabledForAccount) || isApiError(error, JETSTREAM_ERRORS.notEnabled))
    return new BusError('REFUSED', 'JetStream is not enabled for this account', error)
  if (code === 'PERMISSIONS_VIOLATION')
    return new BusError('REFUSED', `this user may not use JetStream: ${(error as Error).message}`, error)
  return undefined
}
