/**
 * Notices that the machine of an instance is gone: nobody closes its connections then, and what was sent over them waits
 * for minutes until the system gives up.
 *
 * Invariants: 1. A connection is given up only if nothing came over it for a while and `TRIES` attempts to connect after
 * that were not answered. A machine that answers, if only with a refusal, is there: a call may take its time, and is looked
 * at less and less often. 2. Nothing runs while no request does.
 */
import net from 'node:net'
import type { UpstreamConnection } from './upstream-connection.ts'

/** What is sent within two seconds of the loss is lost with it: two looks and the tries take less. */
const LOOK_MS = { first: 400, most: 2_000 }
const TRIES = 2
/** The kernel of a machine answers for its processes, also for those that have no time. */
const REACH_MS = 500

export interface SilenceOptions {
  /** Whether anything answers there. */
  reach: () => Promise<boolean>
  onGone: () => void
  lookMs?: number | undefined
}

export class SilenceWatch {
  private readonly options: SilenceOptions
  /** Connections with a request, and how much had come over them at the last look; -1: they are new. */
  private readonly busy = new Map<UpstreamConnection, number>()
  private timer: NodeJS.Timeout | undefined
  private isAsking = false
  private lookMs: number

  constructor(options: SilenceOptions) {
    this.options = options
    this.lookMs = options.lookMs ?? LOOK_MS.first
  }

  add(connection: UpstreamConnection): void {
    this.busy.set(connection, -1)
    if (this.timer === undefined && !this.isAsking) this.lookLater()
  }

  delete(connection: UpstreamConnection): void {
    this.busy.delete(connection)
  }

  private lookLater(): void {
    this.timer = setTimeout(look, this.lookMs, this).unref()
  }

  async look(): Promise<void> {
    this.timer = undefined
    const silent = this.silentOnes()
    if (silent.length === 0) this.lookMs = this.options.lookMs ?? LOOK_MS.first
    else {
      this.isAsking = true
      const isGone = !(await this.isThere())
      this.isAsking = false
      // What came, or went back, meanwhile is not meant.
      const given = silent.filter(each => isGone && this.busy.get(each) === each.socket.bytesRead)
      if (given.length > 0) this.options.onGone()
      else this.lookMs = Math.min(2 * this.lookMs, LOOK_MS.most)
      for (const { socket } of given) socket.destroy(new Error('the machine of the instance does not respond'))
    }
    if (this.busy.size > 0 && this.timer === undefined) this.lookLater()
    // What took its time is over.
    if (this.busy.size === 0) this.lookMs = this.options.lookMs ?? LOOK_MS.first
  }

  private silentOnes(): UpstreamConnection[] {
    const silent: UpstreamConnection[] = []
    for (const [connection, before] of this.busy) {
      // Those that are connecting have a limit of their own.
      if (!connection.isConnected) continue
      const { bytesRead } = connection.socket
      if (bytesRead === before) silent.push(connection)
      else this.busy.set(connection, bytesRead)
    }
    return silent
  }

  private async isThere(): Promise<boolean> {
    for (let n = 0; n < TRIES; n += 1) if (await this.options.reach()) return true
    return false
  }
}

function look(watch: SilenceWatch): void {
  void watch.look()
}

/** Whether a machine takes or refuses a connection within the time. */
export function canReach(
  { host, port }: { host: string; port: number },
  timeoutMs: number = REACH_MS,
): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect({ host, port })
    const end = (isThere: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(isThere)
    }
    // After a moment without CPU timers come first: an answer that is there is read before it counts as missing.
    const timer = setTimeout(() => setImmediate(() => setImmediate(end, false)), timeoutMs)
    socket.once('connect', () => end(true))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED' || code === 'ECONNRESET'))
  })
}
