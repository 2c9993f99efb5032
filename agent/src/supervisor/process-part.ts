/**
 * A part that is a detached process. Its identity and address are kept in `<home>/run/<name>.json`, so a restarted
 * agent adopts it. Standard output goes to `<home>/logs/<name>.log`.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { RyoFaasError, type PartView } from '../contract/index.ts'
import {
  begin,
  isAlive,
  ProcessIdentity,
  readIfPresent,
  signalProcess,
  spawnDetached,
  waitForExit,
  writeAtomically,
  type DetachedProcess,
} from '../host/index.ts'
import type { Part, RunningPart } from './part.ts'

const POLL_MS = 200
const PROBE_MS = 5
/** Asking whether it is alive costs more than most probes. */
const LIFE_CHECK_EVERY_MS = 50
const START_TIMEOUT_MS = 15_000

export interface ProcessPartOptions {
  name: PartView['name']
  home: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  note?: string
  graceMs: number
  /** Returns `host:port` (or '' if it has none) once the part serves; `undefined` until then. */
  probe(): Promise<string | undefined>
  /** Whether a running one can be worked with; if not, it is ended and started again. Absent: any can. */
  mayAdopt?(): Promise<boolean>
  /** Of the code that it runs: one of another release is replaced. Absent: any is adopted. */
  release?: string
  /**
   * Starts a process that takes over from the running one, which goes on until it is ended. Absent, or `undefined`: the
   * running one is ended first.
   */
  handOver?(): Promise<ProcessIdentity | undefined>
  /** A process of the same command that was started ahead and waits to begin, if there is one. */
  startedAhead?(): Promise<DetachedProcess | undefined> | undefined
  /** Called before every start, e.g. to write configuration or remove leftovers. */
  beforeStart?(): Promise<void>
  /** Explains an early exit better than the last log lines. */
  explainExit?(log: string): Promise<RyoFaasError | undefined>
}

const Saved = z.object({ identity: ProcessIdentity, address: z.string(), release: z.string().optional() })
type Saved = z.infer<typeof Saved>

export class ProcessPart implements Part {
  readonly name: PartView['name']
  readonly #options: ProcessPartOptions

  constructor(options: ProcessPartOptions) {
    this.name = options.name
    this.#options = options
  }

  async ensure(): Promise<RunningPart> {
    return this.#running((await this.#adopted()) ?? (await this.#start()))
  }

  /** The one that an earlier agent started, if it can be worked with. */
  async #adopted(): Promise<Saved | undefined> {
    const saved = await this.#saved()
    if (saved === undefined || !(await isAlive(saved.identity))) return undefined
    const { release } = this.#options
    if (release !== undefined && saved.release !== release) {
      const successor = await this.#succeeded(saved)
      if (successor === undefined) await this.stop()
      return successor
    }
    if ((await this.#options.mayAdopt?.()) !== false) {
      if (saved.address !== '') return saved
      // It may have been starting: its address was not known yet.
      const address = await this.#addressOf(saved.identity)
      if (address !== undefined) return { ...saved, address }
    }
    await this.stop()
    return undefined
  }

  /** Another one in its place, if it could hand over to it; it ends by itself then, when what it has begun is done. */
  async #succeeded(before: Saved): Promise<Saved | undefined> {
    const identity = await this.#options.handOver?.().catch(() => undefined)
    if (identity === undefined) return undefined
    await this.#save({ identity, address: '' })
    const address = await this.#addressOf(identity)
    if (address === undefined) {
      await signalProcess(identity, 'SIGKILL')
      await this.#save(before)
      return undefined
    }
    const successor = { identity, address }
    await this.#save(successor)
    void end(before.identity, this.#options.graceMs)
    return successor
  }

  async #start(): Promise<Saved> {
    await this.#options.beforeStart?.()
    const logFile = join(this.#options.home, 'logs', `${this.name}.log`)
    const logStart = (await readIfPresent(logFile))?.length ?? 0
    const { command, args, env } = this.#options
    const ahead = await this.#options.startedAhead?.()
    const { identity } = ahead ?? (await spawnDetached({ command, args, env, logFile }))
    // Saved before it is ready: if we are killed here, the next agent must find it instead of starting a second.
    await this.#save({ identity, address: '' })
    if (ahead !== undefined) begin(ahead)
    const address = await this.#addressOf(identity)
    if (address !== undefined) {
      const fresh = { identity, address }
      await this.#save(fresh)
      return fresh
    }
    const wasAlive = await signalProcess(identity, 'SIGKILL')
    const log = ((await readIfPresent(logFile)) ?? '').slice(logStart)
    throw (
      (await this.#options.explainExit?.(log)) ??
      new RyoFaasError('PART_FAILED', `${this.name} ${wasAlive ? 'did not respond in time' : 'exited immediately'}`, {
        logs: log.trimEnd().split('\n').slice(-10),
        hint: `See ${logFile}`,
      })
    )
  }

  /** Waits until it serves; `undefined` if it is gone, or takes too long. */
  async #addressOf(identity: ProcessIdentity): Promise<string | undefined> {
    const deadline = performance.now() + START_TIMEOUT_MS
    let nextLifeCheck = 0
    for (;;) {
      const address = await this.#options.probe()
      const now = performance.now()
      if (address !== undefined || now > nextLifeCheck) {
        if (!(await isAlive(identity))) return undefined
        if (address !== undefined) return address
        nextLifeCheck = now + LIFE_CHECK_EVERY_MS
      }
      if (now > deadline) return undefined
      await delay(PROBE_MS)
    }
  }

  /** Of the process that was started last, if it is there. */
  async identity(): Promise<ProcessIdentity | undefined> {
    const saved = await this.#saved()
    return saved !== undefined && (await isAlive(saved.identity)) ? saved.identity : undefined
  }

  async stop(): Promise<void> {
    const saved = await this.#saved()
    if (!saved) return
    await end(saved.identity, this.#options.graceMs)
    await rm(this.#file, { force: true })
  }

  get #file(): string {
    return join(this.#options.home, 'run', `${this.name}.json`)
  }

  #running({ identity, address }: Saved): RunningPart {
    return {
      ...(address !== '' && { address }),
      ...(this.#options.note !== undefined && { note: this.#options.note }),
      pid: identity.pid,
      gone: untilGone(identity),
    }
  }

  async #saved(): Promise<Saved | undefined> {
    const text = await readIfPresent(this.#file)
    const parsed = text === undefined ? undefined : Saved.safeParse(safeJson(text))
    return parsed?.success ? parsed.data : undefined
  }

  /** Of our release, unless it says another one. */
  #save(saved: Saved): Promise<void> {
    const { release } = this.#options
    return writeAtomically(this.#file, JSON.stringify({ ...(release !== undefined && { release }), ...saved }))
  }
}

async function end(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (await signalProcess(identity, 'SIGTERM')) await waitForExit(identity, graceMs)
  if (await signalProcess(identity, 'SIGKILL')) await waitForExit(identity, 2000)
}

/** Polls, because an adopted process is not our child and emits no exit event. The timer does not keep us alive. */
async function untilGone(identity: ProcessIdentity): Promise<void> {
  while (await isAlive(identity)) await delay(POLL_MS, undefined, { ref: false })
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses a damaged file.
  }
}
