/**
 * NATS that others run (`--nats-url`), as a part of the platform: it is watched like the others, and nothing is started
 * or stopped. Its streams are set up again whenever it was away.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  BusError,
  connectBus,
  describeServer,
  ensureAgentStreams,
  ensureStreamsWithin,
  faultOf,
  readServerUrls,
  removeStreams,
  type Bus,
  type BusAccess,
  type ServerDescription,
  type StreamLimits,
} from '../../bus/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { Part, RunningPart } from '../../supervisor/index.ts'
import { flagOf, type PlatformOptions, variableOf } from '../options.ts'

const CONNECT_MS = 10_000
/** Another member of the cluster takes over sooner; then nothing has to be said. */
const LOST_MS = 5_000
/** A cluster that has lost a member chooses another leader for each stream. */
const SETUP_MS = 30_000
const SET_UP_AGAIN_MS = 500
const REPLICAS = 3
/** A lease is lost after three of them. */
const AGENTS_MS = 1_000
const OLDEST = [2, 10] as const
const STREAM_COUNT = 10
/** Pieces of bodies and events that are just not too long fit into it. */
const LEAST_PAYLOAD = 1024 * 1024

type NatsOptions = Pick<PlatformOptions, 'natsUrl' | 'natsCreds' | 'natsCa' | 'natsCert' | 'natsKey' | 'natsSync'> & {
  /** Undefined: the server is that of a single platform. */
  project: string | undefined
}

/**
 * How processes of the platform reach it.
 * @throws RyoFaasError INVALID_OPTION
 */
export async function givenAccess(options: NatsOptions): Promise<BusAccess> {
  const { natsUrl, natsCreds, natsCa, natsCert, natsKey, natsSync, project } = options
  if (natsSync === 'on') {
    const hint = 'Set sync_interval: always in the configuration of that server.'
    throw invalid('natsSync', 'it is for a server of our own, and --nats-url names another', hint)
  }
  const urls = readServerUrls(natsUrl)!
  if (natsCreds !== 'none' && (urls.access.user !== undefined || urls.access.token !== undefined)) {
    throw invalid('natsCreds', 'the URL of --nats-url has a user or a token too', 'Give one of them.')
  }
  if ((natsCert === 'none') !== (natsKey === 'none')) {
    const missing = natsCert === 'none' ? 'natsCert' : 'natsKey'
    throw invalid(missing, 'a certificate is shown with its key', 'Give both --nats-cert and --nats-key.')
  }
  const [credentials, ca, cert, key] = await Promise.all([
    contentOf('natsCreds', natsCreds),
    contentOf('natsCa', natsCa),
    contentOf('natsCert', natsCert),
    contentOf('natsKey', natsKey),
  ])
  const isSecure = urls.isSecure || ca !== undefined || cert !== undefined
  return { ...urls.access, credentials, ...(isSecure && { tls: { ca, cert, key } }), project }
}

async function contentOf(option: keyof PlatformOptions, path: string): Promise<string | undefined> {
  if (path === 'none') return undefined
  try {
    const text = await readFile(path, 'utf8')
    if (text.includes('-----BEGIN')) return text
  } catch (error) {
    throw invalid(option, `${path} cannot be read: ${(error as Error).message}`)
  }
  throw invalid(option, `${path} has no block in PEM format`)
}

function invalid(option: keyof PlatformOptions, message: string, hint?: string): RyoFaasError {
  return new RyoFaasError('INVALID_OPTION', `${flagOf(option)}: ${message}`, {
    hint: `${hint ?? 'Name another file.'} It is set with ${flagOf(option)} or ${variableOf(option)}.`,
  })
}

export interface GivenNatsOptions {
  access: BusAccess
  replicas: PlatformOptions['natsReplicas']
  limits: Partial<StreamLimits>
  /**
   * Another agent has set up the streams: nothing waits until they are looked at, which a cluster that has lost a member
   * does not answer for some seconds. Called with what is wrong, once.
   */
  onSetUpLater?: ((error: Error) => void) | undefined
  /** How long the first connection may take. Default 10 s. */
  connectMs?: number
  /** How long it may be lost before it counts as gone. Default 5 s. */
  lostMs?: number
}

export class GivenNats implements Part {
  readonly name = 'nats'
  readonly #options: GivenNatsOptions
  #bus: Bus | undefined
  #isSetUp = false

  constructor(options: GivenNatsOptions) {
    this.#options = options
  }

  /** @throws RyoFaasError BAD_NATS */
  async ensure(): Promise<RunningPart> {
    await this.stop()
    const { access, connectMs, lostMs = LOST_MS, onSetUpLater } = this.#options
    const bus = await connectGiven(access, { name: 'ryo-faas agent', connectMs })
    if (onSetUpLater !== undefined && !this.#isSetUp) {
      this.#bus = bus
      void this.#setUpLater(bus, onSetUpLater)
      return { address: hostsOf(access), note: 'not started by ryo-faas', gone: lossOf(bus, lostMs) }
    }
    try {
      const server = await examined(bus)
      const replicas = await this.#ensureStreams(bus, server)
      this.#bus = bus
      const copies = replicas === 1 ? 'one copy' : `${replicas} copies`
      const note = `not started by ryo-faas: ${describe(server)}, ${copies} of each stream`
      return { address: hostsOf(access), note, gone: lossOf(bus, lostMs) }
    } catch (error) {
      await bus.close()
      throw error
    }
  }

  /** Lets go of it. */
  async stop(): Promise<void> {
    const bus = this.#bus
    this.#bus = undefined
    await bus?.close()
  }

  async #setUpLater(bus: Bus, onFailure: (error: Error) => void): Promise<void> {
    for (let failures = 0; this.#bus === bus; failures += 1) {
      try {
        await this.#ensureStreams(bus, await examined(bus))
        this.#isSetUp = true
        return
      } catch (error) {
        if (failures === 0) onFailure(error as Error)
        await delay(SET_UP_AGAIN_MS)
      }
    }
  }

  async #ensureStreams(bus: Bus, server: ServerDescription): Promise<number> {
    const { access, replicas: wanted, limits } = this.#options
    const replicas = replicasOn(server, access, wanted)
    try {
      return await ensureStreamsWithin(SETUP_MS, bus, { ...limits, replicas, mayLowerReplicas: wanted !== 'auto' })
    } catch (error) {
      throw badStreams(error as BusError, { replicas, server })
    }
  }
}

function replicasOn(
  { cluster, members }: ServerDescription,
  { url }: BusAccess,
  wanted: PlatformOptions['natsReplicas'],
): number {
  if (wanted !== 'auto') return wanted
  // Not all of those that are named need run at this moment.
  const known = cluster === undefined ? 1 : Math.max(members, url.split(',').length)
  return known >= REPLICAS ? REPLICAS : 1
}

/**
 * A connection for what agents tell each other, with the streams for it.
 * @throws RyoFaasError INVALID_OPTION, BAD_NATS
 */
export async function connectAgents(options: NatsOptions & Pick<PlatformOptions, 'natsReplicas'>): Promise<Bus> {
  const access = await givenAccess(options)
  const bus = await connectGiven(access, { name: 'ryo-faas agents', timeoutMs: AGENTS_MS })
  try {
    const server = await examined(bus)
    const replicas = replicasOn(server, access, options.natsReplicas)
    await ensureAgentStreams(bus, { replicas, mayLowerReplicas: options.natsReplicas !== 'auto' }).catch(
      (error: BusError) => {
        throw badStreams(error, { replicas, server })
      },
    )
    return bus
  } catch (error) {
    await bus.close()
    throw error
  }
}

/** What is there for us, in one line; nothing is changed. @throws RyoFaasError BAD_NATS */
export async function aboutGiven(access: BusAccess): Promise<string> {
  const bus = await connectGiven(access, { name: 'ryo-faas doctor' })
  try {
    return `${hostsOf(access)} (--nats-url): ${describe(await examined(bus))}`
  } finally {
    await bus.close()
  }
}

/** Removes what the platform has there. @throws RyoFaasError BAD_NATS */
export async function removeGivenStreams(access: BusAccess): Promise<void> {
  const bus = await connectGiven(access, { name: 'ryo-faas prune' })
  try {
    await removeStreams(bus)
  } catch (error) {
    throw bad(
      `its streams cannot be removed: ${(error as Error).message}`,
      'Remove them with the tools of NATS.',
      error,
    )
  } finally {
    await bus.close()
  }
}

/** Resolves when the connection has been lost for long. */
function lossOf(bus: Bus, lostMs: number): Promise<void> {
  return new Promise(resolve => {
    let waiting: NodeJS.Timeout | undefined
    bus.onDisconnect(() => {
      waiting ??= setTimeout(resolve, lostMs).unref()
    })
    bus.onReconnect(() => {
      clearTimeout(waiting)
      waiting = undefined
    })
  })
}

/** @throws RyoFaasError BAD_NATS */
async function connectGiven(
  access: BusAccess,
  { name, connectMs = CONNECT_MS, timeoutMs }: { name: string; connectMs?: number | undefined; timeoutMs?: number },
): Promise<Bus> {
  const giveUp = new AbortController()
  let last: Error | undefined
  const timer = setTimeout(() => giveUp.abort(badConnection(access, last)), connectMs)
  const onFailure = (error: Error) => {
    last = error
    if (faultOf(error) !== 'away') giveUp.abort(badConnection(access, error))
  }
  try {
    return await connectBus({ ...access, name, onFailure, ...(timeoutMs && { timeoutMs }) }, giveUp.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** @throws RyoFaasError BAD_NATS if it lacks what we need */
async function examined(bus: Bus): Promise<ServerDescription> {
  let server: ServerDescription
  try {
    server = await describeServer(bus)
  } catch (error) {
    const { message } = error as BusError
    throw bad(message, 'It needs a jetstream block in its configuration, and the account the right to use it.', error)
  }
  const { version, maxPayload, streams, maxStreams } = server
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw bad(`it is nats-server ${version}`, `It has to be ${OLDEST.join('.')} or newer.`)
  }
  if (maxPayload < LEAST_PAYLOAD) {
    throw bad(`its max_payload is ${maxPayload} bytes`, `It has to be ${LEAST_PAYLOAD} (1MB) or more.`)
  }
  if (maxStreams !== undefined && maxStreams < STREAM_COUNT) {
    const found = `the account may have ${maxStreams} streams, and has ${streams}`
    throw bad(found, `Each platform needs ${STREAM_COUNT} of them.`)
  }
  return server
}

function badConnection({ url }: BusAccess, error: Error | undefined): RyoFaasError {
  const message = error?.message ?? 'no answer'
  switch (error === undefined ? 'away' : faultOf(error)) {
    case 'denied':
      return bad(
        `it refuses the user, the token or the credentials: ${message}`,
        'See --nats-url and --nats-creds.',
        error,
      )
    case 'untrusted':
      return bad(
        `TLS failed: ${message}`,
        'Name its authority with --nats-ca; if it asks for a certificate, give --nats-cert and --nats-key.',
        error,
      )
    case 'no-tls':
      return bad('it has no TLS', 'Write nats:// in place of tls://, and leave --nats-ca out.', error)
    case 'away':
      return bad(`${url} is not responding: ${message}`, 'Start it, or correct --nats-url.', error)
  }
}

function badStreams(
  error: BusError,
  { replicas, server }: { replicas: number; server: ServerDescription },
): RyoFaasError {
  const { code, message } = error
  if (code === 'FULL') {
    return bad(
      `the limits of the account, or the disk, are too small: ${message}`,
      `A platform needs ${STREAM_COUNT} streams and at least 10 MB for each copy; it takes up to 11 GB.`,
      error,
    )
  }
  if (code === 'NO_REPLICAS') {
    return bad(
      `it cannot keep ${replicas} copies of a stream: ${message} (members known: ${server.members})`,
      'Start the other members, or give fewer with --nats-replicas.',
      error,
    )
  }
  return bad(`the streams cannot be set up: ${message}`, 'The user needs all rights on $JS.API.>.', error)
}

function bad(message: string, hint: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('BAD_NATS', `the NATS of --nats-url cannot be used: ${message}`, {
    hint: `${hint} Set it with --nats-url or RYO_FAAS_NATS_URL.`,
    ...(cause !== undefined && { cause }),
  })
}

function describe({ version, cluster, members }: ServerDescription): string {
  const where = cluster === undefined ? '' : `, cluster ${cluster} of ${members}`
  return `nats-server ${version}${where}`
}

/** The first, and how many more. */
function hostsOf({ url }: BusAccess): string {
  const [first = '', ...others] = url.split(',').map(each => new URL(each).host)
  return others.length === 0 ? first : `${first} and ${others.length} more`
}
