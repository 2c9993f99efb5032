/**
 * Deploys in progress, and the one way to deploy: start the platform if needed, then follow the agent's events. For a
 * server, the agent of this machine checks and bundles, and the server is sent what it lacks.
 */
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AgentClient,
  buildWithAgent,
  deployPackage,
  type BuiltPackages,
  type Forward,
  type UploadProgress,
} from 'ryo-faas/client'
import { namedVariables, RyoFaasError, type DeployEvent, type ErrorBody } from 'ryo-faas/contract'
import { bundleHere } from '../debug/bundle-here.ts'
import type { AgentProcess } from './agent-process.ts'
import type { PlatformLink } from './platform-link.ts'
import { untilCancelled, type Progress } from '../editor/ui.ts'

type DeployedEvent = Extract<DeployEvent, { type: 'deployed' }>

export interface Deployed extends DeployedEvent {
  /** The way to the debugger's port on a server, where it has another number. */
  forward?: Forward & { farPort: number }
}

export interface DeployRequest {
  file: string
  only?: string[]
  debug?: boolean
  replace?: boolean
}

const STEPS = { checking: 'checking', building: 'building', starting: 'starting', switching: 'switching traffic' }

type Link = Pick<PlatformLink, 'client' | 'isReady' | 'machine' | 'notRunning' | 'onChange' | 'refresh' | 'server'>
type Starter = Pick<AgentProcess, 'start' | 'deploy'>

interface DeploySettings {
  /** To the agent of this machine, whatever was chosen. @throws RyoFaasError NOT_RUNNING */
  local: () => Promise<AgentClient>
  /** For bundles of what is debugged on a server. */
  debugFolder: string
  /** That deploy.json may refer to. */
  variables?: NodeJS.ProcessEnv
  /** Whose overrides hold, as with `--env`; asked at each deploy. */
  environment?: () => string | undefined
}

export class Deploys {
  readonly #link: Link
  readonly #process: Starter
  readonly #settings: DeploySettings
  readonly #activities = new Map<string, string>()
  readonly #failures = new Map<string, string>()
  readonly #events = new EventEmitter<{ change: []; start: [RyoFaasError | undefined] }>()

  constructor(link: Link, process: Starter, settings: DeploySettings) {
    this.#link = link
    this.#process = process
    this.#settings = settings
    let server = link.server
    link.onChange(() => {
      // What failed there says nothing about here.
      if (link.server !== server) this.#failures.clear()
      server = link.server
    })
  }

  onChange(listener: () => void): { dispose(): void } {
    this.#events.on('change', listener)
    return { dispose: () => void this.#events.off('change', listener) }
  }

  /** What is being done with a function, to show. */
  activityOf(name: string): string | undefined {
    return this.#activities.get(name)
  }

  /** Why the last deploy of a function failed, if it did. */
  failureOf(name: string): string | undefined {
    return this.#failures.get(name)
  }

  /**
   * @param file absolute path of deploy.json
   * @param only names; all if absent
   * @param debug one instance each, which a debugger may attach to
   * @param replace functions of other projects that have the same name
   * @throws RyoFaasError the first failure, with the problems of all; NAME_TAKEN
   */
  async run({ file, only, debug = false, replace = false }: DeployRequest, progress: Progress): Promise<Deployed[]> {
    for (const name of only ?? []) this.#set(name, 'waiting')
    const names = new Set(only)
    // If there is only one, the title names it.
    const about = (name: string, what: string) => (only?.length === 1 ? what : `${name}: ${what}`)
    try {
      await this.ensurePlatform(progress)
      const deployed: Deployed[] = []
      const failures: Extract<DeployEvent, { type: 'failed' }>[] = []
      let failure: RyoFaasError | undefined
      const body = { file, debug, replace, ...this.#settingsOf(file), ...(only && { only }) }
      const follow = (event: DeployEvent | Deployed) => {
        switch (event.type) {
          case 'planned':
            for (const name of event.names) this.#set(name, 'waiting', names)
            break
          case 'step':
            this.#set(event.name, STEPS[event.step], names)
            progress.report(about(event.name, STEPS[event.step]))
            break
          case 'note':
            progress.report(about(event.name, event.message))
            break
          case 'waiting':
            progress.report(`waiting: ${event.why}`)
            break
          case 'booted':
          case 'bundled': // Only where it is asked for.
            break
          case 'deployed':
            deployed.push(event)
            this.#failures.delete(event.name)
            void this.#endWhenSeen(event.name)
            break
          case 'failed':
            failures.push(event)
            this.#fail(event.name, event.error)
            break
          case 'finished':
            if (!event.error) break
            failure = RyoFaasError.fromBody(event.error)
            for (const name of names) this.#fail(name, event.error)
        }
      }
      try {
        if (this.#link.server !== undefined) await this.#deployThere(body, { progress, follow })
        else {
          const client = await this.#link.client()
          for await (const event of client.stream('deploy', { body }, progress.signal)) follow(event)
        }
      } catch (error) {
        // The agent that leads is on another machine, and the one of this machine builds for nobody.
        if (!(error instanceof RyoFaasError && error.code === 'STANDS_BY')) throw error
        await this.#deployByCommand(body, { progress, follow })
      }
      if (progress.signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled')
      await this.#link.refresh()
      const [first] = failures
      if (failures.length === 1 && first) throw RyoFaasError.fromBody(first.error)
      if (failure) throw failure
      return deployed
    } finally {
      for (const name of names) this.#set(name, undefined)
    }
  }

  /** To the server that was chosen. A path of this machine means nothing there, and is not sent. */
  async #deployThere(
    { debug, replace, ...request }: DeployRequest & { variables: Record<string, string>; environment?: string },
    { progress, follow }: { progress: Progress; follow: (event: DeployEvent | Deployed) => void },
  ): Promise<void> {
    const { signal } = progress
    const client = await this.#link.client()
    await this.#ensureLocal(progress)
    const built = await buildWithAgent(await this.#settings.local(), request, { emit: follow, signal })
    const onProgress = ({ sentBytes, totalBytes }: UploadProgress) => {
      if (totalBytes > 0) progress.report(`uploading, ${Math.floor((100 * sentBytes) / totalBytes)} %`)
    }
    try {
      const flags = { ...(debug && { debug }), ...(replace && { replace }) }
      for await (const event of deployPackage(client, built, { ...flags, onProgress, signal })) {
        // What was planned is known since the build began.
        if (event.type === 'planned') continue
        follow(event.type === 'deployed' && debug ? await this.#debuggable(event, built) : event)
      }
    } finally {
      await built.close()
    }
  }

  /** By the command line, which builds here and sends the package. It tells what happened at its end. */
  async #deployByCommand(
    { file, only, debug = false, replace = false, environment }: DeployRequest & { environment?: string },
    { progress, follow }: { progress: Progress; follow: (event: DeployEvent | Deployed) => void },
  ): Promise<void> {
    if (debug) {
      throw new RyoFaasError('UNSUPPORTED', 'a debugger cannot reach what the agent of another machine runs', {
        hint: 'Debug on the machine whose agent leads, or choose it as a server.',
      })
    }
    progress.report('building, for the agent that leads')
    const { deployed, failed, error } = await this.#process.deploy(
      [
        ...[file, '--server', this.#link.server ?? 'local'],
        ...(only === undefined ? [] : ['--only', ...only]),
        ...(replace ? ['--replace'] : []),
        ...(environment === undefined ? [] : ['--env', environment]),
      ],
      progress.signal,
    )
    for (const event of [...deployed, ...failed]) follow(event)
    const counts = { deployed: deployed.length, failed: failed.length }
    follow({ type: 'finished', ...counts, durationMs: 0, ...(error && { error }) })
  }

  /** With its port and its bundle on this machine. */
  async #debuggable(event: DeployedEvent, built: BuiltPackages): Promise<Deployed> {
    const { name, debugPort: farPort, debugPaths: there } = event
    if (farPort === undefined || there === undefined) return event
    const machine = await this.#link.machine()
    const forward = { ...(await machine.forward(farPort)), farPort }
    const folder = join(this.#settings.debugFolder, machine.server ?? '', name)
    return { ...event, debugPort: forward.port, debugPaths: await bundleHere(folder, { name, built, there }), forward }
  }

  /** The agent of this machine, which builds for others too. */
  async #ensureLocal({ signal, report }: Progress): Promise<void> {
    const platform = await this.#settings.local().then(
      client => client.call('platform', {}, signal),
      () => undefined,
    )
    if (signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled')
    if (platform?.phase.kind === 'ready') return
    report('starting the platform of this machine, which builds')
    await this.#process.start(signal)
  }

  /** Has the agent load what the check of a function needs; what the check finds does not matter. */
  async warm(file: string, name: string): Promise<void> {
    const client = await this.#settings.local()
    await client.call('check', { body: { file, only: [name], ...this.#settingsOf(file) } })
  }

  #settingsOf(file: string): { variables: Record<string, string>; environment?: string } {
    const variables = namedVariables(textOf(file), this.#settings.variables ?? {})
    const environment = this.#settings.environment?.()
    return { variables, ...(environment !== undefined && { environment }) }
  }

  /** Starts the platform if it is not running; one on a server has to be. */
  async ensurePlatform({ signal, report }: Progress): Promise<void> {
    await untilCancelled(this.#link.refresh(), signal)
    if (this.#link.isReady) return
    if (this.#link.server !== undefined) throw this.#link.notRunning()
    report('starting the platform')
    const listening = this.#link.onChange(state => {
      if (state.kind === 'connected' && state.platform.phase.kind === 'starting') report(state.platform.phase.doing)
    })
    try {
      await this.#process.start(signal)
      this.#reportStart(undefined)
      await this.#link.refresh()
    } catch (error) {
      this.#reportStart(error instanceof RyoFaasError ? error : undefined)
      throw error
    } finally {
      listening.dispose()
    }
  }

  /** Called after each start: with why it failed, if it did. */
  onStart(listener: (error: RyoFaasError | undefined) => void): { dispose(): void } {
    this.#events.on('start', listener)
    return { dispose: () => void this.#events.off('start', listener) }
  }

  #reportStart(error: RyoFaasError | undefined): void {
    this.#events.emit('start', error)
  }

  #fail(name: string, { code, message }: ErrorBody): void {
    // Whether to replace another project's function is a question, not a failure.
    if (code !== 'CANCELLED' && code !== 'NAME_TAKEN') this.#failures.set(name, message)
    this.#set(name, undefined)
    this.#events.emit('change')
  }

  /** Until the new version is known, a function is shown as busy. */
  async #endWhenSeen(name: string): Promise<void> {
    await this.#link.refresh().catch(() => undefined) // The next look sees it, or the end of the deploy.
    this.#set(name, undefined)
  }

  #set(name: string, activity: string | undefined, known?: Set<string>): void {
    known?.add(name)
    if (this.#activities.get(name) === activity) return
    if (activity === undefined) this.#activities.delete(name)
    else this.#activities.set(name, activity)
    this.#events.emit('change')
  }
}

/** If it cannot be read, the agent says why. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
