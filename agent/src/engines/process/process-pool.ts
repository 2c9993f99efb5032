/**
 * Processes that wait for a function on their standard input, which ends with the agent: whatever happens to it, none
 * is left behind. Their output goes to a file that becomes the log of the instance.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import { signalProcess, spawnDetached, waitForExit, type DetachedProcess } from '../../host/index.ts'
import type { Pool, Taken } from '../capabilities.ts'
import { writeCertificates } from '../certificate-file.ts'
import type { BuiltPackage, Instance, InstanceSpec } from '../engine.ts'
import { classesOf, classOf, type PoolClass, type PoolWish } from '../pool/pool-class.ts'
import type { PoolSize } from '../pool/pool-size.ts'
import { WarmPool } from '../pool/warm-pool.ts'

const EXIT_MS = 5_000

export interface WaitingProcess {
  process: DetachedProcess
  /** Its output so far: nothing, unless it failed. */
  logFile: string
  hasExited: boolean
}

export interface ProcessPoolOptions extends PoolSize {
  home: string
  /** The program for a base. */
  nodePathOf: (base: string) => Promise<string>
  baseEnv: Record<string, string>
  /** Makes an instance of it, which waits for what it is handed. */
  adopt(
    waiting: WaitingProcess,
    spec: Omit<InstanceSpec, 'image'>,
    run: { built: BuiltPackage; entry: string; signal: AbortSignal },
  ): Promise<Instance>
}

export class ProcessPool implements Pool {
  readonly #options: ProcessPoolOptions
  readonly #folder: string
  readonly #pool: WarmPool<WaitingProcess>
  #cleared: Promise<void> | undefined

  constructor(options: ProcessPoolOptions) {
    this.#options = options
    this.#folder = join(options.home, 'run', 'waiting')
    this.#pool = new WarmPool(options.size, {
      begin: of => this.#begin(of),
      discard: waiting => this.#discard(waiting),
    })
  }

  open(wishes: readonly PoolWish[]): void {
    this.#pool.open(classesOf(wishes))
  }

  async take(spec: Omit<InstanceSpec, 'image'>, built: BuiltPackage, signal: AbortSignal): Promise<Taken> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const of = classOf(spec, built)
    if ('why' in of) return { kind: 'none', why: of.why }
    for (;;) {
      const waiting = this.#pool.take(of)
      if (waiting === undefined) return { kind: 'none', why: `no process with ${of.memoryMb} MB is waiting` }
      if (waiting.hasExited) {
        await this.#discard(waiting)
        continue
      }
      const entry = resolve(built.dir, spec.command.at(-1)!)
      return { kind: 'taken', instance: await this.#options.adopt(waiting, spec, { built, entry, signal }) }
    }
  }

  /** What waits ends. */
  empty(): Promise<void> {
    return this.#pool.empty()
  }

  async #begin({ base, flags, certificates }: PoolClass): Promise<WaitingProcess> {
    const { home, nodePathOf, baseEnv, waiter, runtime } = this.#options
    // Output of processes that ended with an earlier agent.
    await (this.#cleared ??= rm(this.#folder, { recursive: true, force: true }))
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const logFile = join(this.#folder, `${randomBytes(5).toString('hex')}.log`)
    const authorities = await writeCertificates(home, certificates)
    const process = await spawnDetached({
      command: await nodePathOf(base),
      args: [...flags, waiter, runtime],
      cwd: this.#folder,
      env: { ...baseEnv, ...(authorities !== undefined && { NODE_EXTRA_CA_CERTS: authorities }) },
      logFile,
      stdin: 'pipe',
    })
    const waiting = { process, logFile, hasExited: false }
    // It may end at any time; who hands over finds out by itself.
    process.child.stdin!.on('error', () => undefined)
    void process.exited.then(() => (waiting.hasExited = true))
    return waiting
  }

  async #discard({ process: { child, identity }, logFile }: WaitingProcess): Promise<void> {
    child.stdin!.destroy()
    if (await signalProcess(identity, 'SIGKILL')) await waitForExit(identity, EXIT_MS)
    await rm(logFile, { force: true })
  }
}
