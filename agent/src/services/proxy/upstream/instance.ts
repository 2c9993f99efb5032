/**
 * One instance of a function as the proxy sees it: its idle connections and how much is in flight.
 *
 * Invariants: 1. Once retired, its idle connections are closed, none is handed out again and none comes back: a request
 * never meets a connection that a draining instance is about to close. 2. An idle connection is not used within
 * `REUSE_MARGIN_MS` of the moment the instance would close it. 3. The newest idle connection goes first, so that the
 * surplus ages and is swept. 4. An instance that once sent more than its answer no longer keeps connections: what it
 * sends too late would be taken for the answer to the next request. 5. A frozen one is not chosen and has no idle
 * connection: it would not see that one was closed, nor answer.
 */
import { canReach, SilenceWatch } from './silence.ts'
import { UpstreamConnection, type ConnectionOptions } from './upstream-connection.ts'

const REUSE_MARGIN_MS = 1_000
/** How long an instance that refused a connection is tried last: twice as long each time, until it takes one. */
const SUSPECT_MS = { first: 1_000, most: 8_000 }

export interface UpstreamSettings {
  connectTimeoutMs: number
  /** Longest idle time of a kept connection, unless the instance announces a shorter one. */
  idleMs: number
  readBuffer: Buffer
  /** The key of an instance that wants one; undefined: none is known. */
  keyOf?: (id: string) => string | undefined
  /** How often an instance that is silent is looked at, and by which means; default: see `SilenceWatch`. */
  silence?: { lookMs: number; reach: () => Promise<boolean> }
}

export interface InstanceAddress {
  id: string
  host: string
  port: number
  /** It is not our runtime, and does not identify itself. */
  isAnonymous?: boolean | undefined
  /** Shown by each connection to it. */
  key?: string | undefined
}

export class Instance {
  readonly id: string
  readonly host: string
  readonly port: number
  inflight = 0
  /** Until then it is the last choice; milliseconds of `performance.now()`. */
  suspectUntil = 0
  isRetired = false
  /** Another instance has its address: it is not chosen until the agent lists it again. */
  isLost = false
  isFrozen = false
  private suspectMs = SUSPECT_MS.first
  private readonly idle: UpstreamConnection[] = []
  private readonly watch: SilenceWatch
  /** It has not sent more than its answers so far. */
  private isExact = true
  private readonly idleMs: number
  private readonly connectionOptions: ConnectionOptions

  constructor(address: InstanceAddress, settings: UpstreamSettings) {
    this.id = address.id
    this.host = address.host
    this.port = address.port
    this.idleMs = settings.idleMs
    this.watch = new SilenceWatch({
      reach: () => canReach(address),
      ...settings.silence,
      onGone: () => this.refused(performance.now()),
    })
    this.connectionOptions = {
      host: address.host,
      port: address.port,
      instance: address.isAnonymous === true ? undefined : address.id,
      key: address.key,
      connectTimeoutMs: settings.connectTimeoutMs,
      readBuffer: settings.readBuffer,
      onIdle: connection => this.keep(connection),
      onClosed: connection => this.forget(connection),
      onSurplus: () => this.exceeded(),
    }
  }

  get idleCount(): number {
    return this.idle.length
  }

  /** A kept connection, or a new one that is still connecting. */
  acquire(options: { now: number; fresh: boolean }): UpstreamConnection {
    while (!options.fresh) {
      const connection = this.idle.pop()
      if (connection === undefined) break
      if (connection.usableUntil > options.now && !connection.socket.destroyed) return this.watched(connection)
      connection.destroy()
    }
    return this.watched(new UpstreamConnection(this.connectionOptions))
  }

  /** Kept connections may lead to a machine that is gone without a word: what is sent there would wait in vain. */
  refused(now: number): void {
    // Of those that tried at the same time one counts.
    if (now >= this.suspectUntil) {
      this.suspectUntil = now + this.suspectMs
      this.suspectMs = Math.min(2 * this.suspectMs, SUSPECT_MS.most)
    }
    this.closeIdle()
  }

  /** Another instance has its address. */
  lost(): void {
    this.isLost = true
    this.closeIdle()
  }

  /** Closes connections that were idle for too long. */
  sweep(now: number): void {
    while (this.idle.length > 0 && this.idle[0]!.usableUntil <= now) this.idle.shift()!.destroy()
  }

  freeze(): void {
    this.isFrozen = true
    this.closeIdle()
  }

  retire(): void {
    this.isRetired = true
    this.closeIdle()
  }

  private watched(connection: UpstreamConnection): UpstreamConnection {
    this.watch.add(connection)
    return connection
  }

  /** Invariant 4. */
  private exceeded(): void {
    this.isExact = false
    this.closeIdle()
  }

  private closeIdle(): void {
    for (const connection of this.idle.splice(0)) connection.destroy()
  }

  private keep(connection: UpstreamConnection): void {
    this.watch.delete(connection)
    this.suspectMs = SUSPECT_MS.first
    const announced = connection.keepAliveMs > 0 ? connection.keepAliveMs - REUSE_MARGIN_MS : Infinity
    const usableMs = Math.min(this.idleMs, announced)
    if (this.isRetired || this.isLost || this.isFrozen || !this.isExact || usableMs <= 0) {
      connection.destroy()
      return
    }
    connection.usableUntil = performance.now() + usableMs
    this.idle.push(connection)
  }

  private forget(connection: UpstreamConnection): void {
    this.watch.delete(connection)
    const index = this.idle.indexOf(connection)
    if (index >= 0) this.idle.splice(index, 1)
  }
}
