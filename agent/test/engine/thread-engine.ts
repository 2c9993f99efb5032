/**
 * A third kind of engine, for tests of the seam: instances are threads of this process, with a server each. It has none
 * of the capabilities: no images, no kept output, no debugger.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ENV } from '@ryo-faas/runtime/protocol'
import { RyoFaasError } from '../../src/contract/index.ts'
import type { BuiltPackage, Engine, EngineType, Instance, InstanceSpec } from '../../src/engines/index.ts'
import { RecordFiles } from '../../src/engines/process/record-files.ts'
import { writeSecrets } from '../../src/engines/secret-files.ts'

interface Thread {
  worker: Worker
  instance: Instance
  exited: Promise<unknown>
}

/** What outlives an engine object: here, state of this process. */
export class Threads {
  readonly all = new Map<string, Thread>()
  readonly listeners = new Set<() => void>()
}

/** Signals do not reach a thread. */
const BEGIN = `
const { parentPort, workerData } = require('node:worker_threads')
parentPort.on('message', () => process.emit('SIGTERM'))
parentPort.unref()
import(workerData)
`
const LISTEN_MS = 30_000

export class ThreadEngine implements Engine {
  readonly kind = 'thread'
  readonly note = 'threads of this process'
  readonly isolation = { label: 'as threads', warning: 'functions share a process, with no isolation' }
  readonly runsInPlace = true
  readonly #home: string
  readonly #threads: Threads
  readonly #files: RecordFiles
  #onChange: (() => void) | undefined

  constructor(home: string, threads: Threads) {
    this.#home = home
    this.#threads = threads
    this.#files = new RecordFiles(join(home, 'run', 'instances'))
  }

  async prepare() {
    await mkdir(join(this.#home, 'run', 'instances'), { recursive: true })
    return { reach: { proxyHost: '127.0.0.1', listenHosts: [] }, warnings: [] }
  }

  codeFolderOf({ dir }: Pick<BuiltPackage, 'dir'>): string {
    return dir
  }

  commandNeeds() {
    return {}
  }

  async surroundings() {
    return { modules: process.versions.modules }
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const { id, route, version } = spec
    const secretsDir = await writeSecrets(this.#secretsDir(id), spec.secrets)
    const worker = new Worker(BEGIN, {
      eval: true,
      // A thread is not a program: it runs the module at the end of the command.
      workerData: resolve(spec.image, spec.command.at(-1)!),
      execArgv: [],
      stdout: true,
      stderr: true,
      env: {
        ...spec.secrets,
        ...spec.env,
        ...(secretsDir !== undefined && { RYO_FAAS_SECRETS_DIR: secretsDir }),
        [ENV.host]: '127.0.0.1',
        [ENV.port]: '0',
        [ENV.readyFile]: this.#files.readyFile(id),
      },
    })
    worker.stdout.resume()
    worker.stderr.resume()
    worker.on('error', () => undefined) // The exit event is enough.
    const startedAt = new Date().toISOString()
    const instance: Instance = {
      ...{ id, route, version, startedAt, name: `${route} (thread ${worker.threadId})` },
      state: { kind: 'running', address: { host: '127.0.0.1', port: 0 } },
    }
    const exited = new Promise<void>(fulfil =>
      worker.once('exit', code => {
        instance.state = { kind: 'exited', at: new Date().toISOString(), code, reason: `exited with code ${code}` }
        fulfil()
        for (const listener of this.#threads.listeners) listener()
      }),
    )
    this.#threads.all.set(id, { worker, instance, exited })
    const port = await this.#portOf(instance, signal)
    instance.state = { kind: 'running', address: { host: '127.0.0.1', port } }
    return { ...instance }
  }

  async instance(id: string): Promise<Instance | undefined> {
    return (await this.instances()).find(instance => instance.id === id)
  }

  async instances(route?: string): Promise<Instance[]> {
    const all = [...this.#threads.all.values()].map(({ instance }) => ({ ...instance }))
    return all.filter(instance => route === undefined || instance.route === route)
  }

  async stop(id: string, graceMs: number): Promise<void> {
    const thread = this.#threads.all.get(id)
    if (thread !== undefined) {
      thread.worker.postMessage('end')
      await Promise.race([thread.exited, delay(graceMs)])
      await thread.worker.terminate()
      this.#threads.all.delete(id)
    }
    await Promise.all([this.#files.remove(id), rm(this.#secretsDir(id), { recursive: true, force: true })])
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange
    this.#threads.listeners.add(onChange)
  }

  async cleanUp(): Promise<void> {
    await Promise.all([...this.#threads.all.keys()].map(id => this.stop(id, 0)))
  }

  async close(): Promise<void> {
    if (this.#onChange) this.#threads.listeners.delete(this.#onChange)
  }

  async #portOf(instance: Instance, signal: AbortSignal): Promise<number> {
    const deadline = performance.now() + LISTEN_MS
    for (;;) {
      const port = await this.#files.readPort(instance.id)
      if (port !== undefined) return port
      if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${instance.route} was cancelled`)
      if (instance.state.kind === 'exited') throw new RyoFaasError('START_FAILED', `it ${instance.state.reason}`)
      if (performance.now() > deadline) throw new RyoFaasError('START_FAILED', 'it was not ready in time')
      await delay(2)
    }
  }

  #secretsDir(id: string): string {
    return join(this.#home, 'run', 'secrets', id)
  }
}

/** Its row of the registry. */
export function threadType(threads: Threads): EngineType {
  return {
    kind: 'thread',
    help: 'thread (no isolation)',
    detect: async () => ({ kind: 'usable' }),
    create: async ({ home }) => new ThreadEngine(home, threads),
  }
}
