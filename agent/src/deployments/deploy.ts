/**
 * One run of `deploy`: read, check everything, then build, start and switch each function. Invariants:
 *
 * 1. With any problem in any file nothing is built or started.
 * 2. A version enters the state only when its instances are ready; until then, and if it fails or is cancelled, the
 *    old version serves and nothing of the new one is left behind.
 * 3. The old version is drained only after the proxy serves the new routes.
 */
import { isDeepStrictEqual } from 'node:util'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { routeOf } from '@ryo-faas/runtime/protocol'
import type { Bundle, Language } from '../languages/index.ts'
import {
  RyoFaasError,
  kindOf,
  type BootFacts,
  type DebugPaths,
  type DeployEntry,
  type DeployEvent,
  type StartFrom,
} from '../contract/index.ts'
import type { KeyedQueue } from '../host/index.ts'
import { capability, type BuiltPackage, type Engine } from '../engines/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import { activeVersion, type DeploymentRecord, type StateStore, type VersionRecord } from './state/index.ts'
import type { Accepted } from './check.ts'
import type { DeploySource } from './deploy-sources.ts'
import type { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import { pathOf } from './deployed-route.ts'
import { mustBeFree, routesMustBeFree } from './name-owner.ts'
import type { Reconciler } from './reconciler.ts'
import { keptOverride, scaleOf } from './scaling/index.ts'
import type { Switcher } from './switcher.ts'
import { traced } from './traced.ts'
import type { VersionImages } from './version-images.ts'

const AT_ONCE = 4

export interface DeployOptions {
  home: string
  engine: Engine
  state: StateStore
  secrets: SecretStore
  fleet: Fleet
  instances: Instances
  images: VersionImages
  switcher: Switcher
  reconciler: Reconciler
  queue: KeyedQueue
  /** URL of a path at the proxy. */
  urlOf: (path: string) => string
  log: { warn(details: object, message: string): void }
}

export interface DeployRequest {
  source: DeploySource
  buildOnly: boolean
  /** One instance, open to a debugger. */
  debug: boolean
  /** Emits what was bundled and why. */
  explain?: boolean | undefined
  /** Functions of other projects may be replaced. */
  replace: boolean
  /** Where triggers start; default: known ones resume, others start now. */
  from?: StartFrom | undefined
}

/** A package on disk that may become a version. */
interface Built extends BuiltPackage {
  version: number
  /** What to run, relative to `dir`. */
  entry: string
  /** Built by this deploy; if not, it belongs to an earlier version with the same code. */
  fresh: boolean
}

type DeployedEvent = Extract<DeployEvent, { type: 'deployed' }>
export type Emit = (event: DeployEvent) => void

export class Deploy {
  readonly #options: DeployOptions

  constructor(options: DeployOptions) {
    this.#options = options
  }

  /** Emits events to the end; the last one is `finished`. Never throws: failures are events too. */
  run(request: DeployRequest, emit: Emit, signal: AbortSignal): Promise<void> {
    return traced('deploy', { 'ryo_faas.is_build_only': request.buildOnly }, () => this.#run(request, emit, signal))
  }

  async #run(request: DeployRequest, emit: Emit, signal: AbortSignal): Promise<void> {
    const begin = performance.now()
    const finish = (counts: { deployed: number; failed: number }, error?: RyoFaasError) =>
      emit({
        type: 'finished',
        ...counts,
        durationMs: performance.now() - begin,
        ...(error && { error: error.toBody() }),
      })
    let accepted: Accepted[]
    try {
      accepted = await traced('check', {}, () => this.#plan(request, emit))
    } catch (error) {
      return finish({ deployed: 0, failed: 0 }, RyoFaasError.from(error))
    }
    const limit = pLimit(AT_ONCE)
    const outcomes = await Promise.all(
      accepted.map(item =>
        limit(async () => {
          try {
            const { name } = item.entry
            const deployOne = () => this.#deployOne(item, { ...request, emit, signal })
            await traced(`deploy ${name}`, { 'faas.name': name }, deployOne)
            return true
          } catch (error) {
            emit({ type: 'failed', name: item.entry.name, error: RyoFaasError.from(error).toBody() })
            return false
          }
        }),
      ),
    )
    const deployed = outcomes.filter(Boolean).length
    finish({ deployed, failed: outcomes.length - deployed })
  }

  async #plan(request: DeployRequest, emit: Emit): Promise<Accepted[]> {
    if (request.debug) capability(this.#options.engine, 'debug')
    const { source } = request
    const planned = await source.functions()
    emit({
      type: 'planned',
      names: planned.map(({ entry }) => entry.name),
      folders: [...new Set(planned.flatMap(({ entry, watched }) => [entry.packageDir, ...watched]))],
    })
    for (const { entry } of planned) emit({ type: 'step', name: entry.name, step: 'checking' })
    const accepted = await source.accepted(planned)
    if (request.debug) accepted.forEach(each => mustBeDebuggable(each, this.#options.engine))
    const entries = accepted.map(({ entry }) => entry)
    if (!request.buildOnly) routesMustBeFree(entries, this.#options.state.current)
    if (!request.replace && !request.buildOnly) {
      await mustBeFree(entries, { source, recordOf: name => this.#options.state.deployment(routeOf(name)) })
    }
    return accepted
  }

  #deployOne(
    { entry, language, outcome, notes, protocol, package: digest }: Accepted,
    run: Pick<DeployRequest, 'source' | 'buildOnly' | 'debug' | 'explain' | 'from'> & {
      emit: Emit
      signal: AbortSignal
    },
  ): Promise<void> {
    const { engine, state, secrets, fleet, instances, switcher, reconciler, queue, urlOf } = this.#options
    const begin = performance.now()
    const { name } = entry
    const route = routeOf(name)
    const url = urlOf(pathOf(entry))
    const done = (version: number, how: DeployedEvent['outcome'], debug: Partial<DeployedEvent> = {}) =>
      run.emit({
        type: 'deployed',
        name,
        version,
        url,
        outcome: how,
        durationMs: performance.now() - begin,
        ...debug,
      })

    return queue.run(route, async () => {
      throwIfCancelled(name, run.signal)
      run.emit({ type: 'step', name, step: 'building' })
      const bundle = await traced('bundle', {}, () => outcome.bundle(run.signal, { isForDebugger: run.debug }))
      if (run.explain && bundle.facts) run.emit({ type: 'bundled', name, facts: bundle.facts })
      const madeFrom = bundle.folders?.length ? { folders: bundle.folders } : {}
      const told = [...notes, ...(engine.ignored?.(entry) ?? []), ...bundle.notes]
      for (const message of told) run.emit({ type: 'note', name, message })

      const before = state.deployment(route)
      const active = before && activeVersion(before)
      const same =
        active?.hash === bundle.hash &&
        isDeepStrictEqual(active.config, entry) &&
        // A running version keeps the values it was started with.
        !(await secrets.areNewerThan(entry.secrets, active.createdAt))
      if (active && same && !run.buildOnly && !run.debug && before?.debugPort === undefined) {
        await reconciler.route(route)
        if (run.from !== undefined) await switcher.replay(route, { from: run.from })
        if (fleet.ready(route).length > 0 || fleet.wanted(route) === 0)
          return done(active.version, 'unchanged', madeFrom)
      }

      const base = outcome.base ?? language.base
      // With a pool the image is not needed yet.
      const isImageLater = engine.pool !== undefined && !run.buildOnly
      const what = { bundle, base, route, name, before, signal: run.signal, isImageLater }
      const built = await traced('build', {}, () => this.#build(what))
      if (run.buildOnly) return done(built.version, 'built', madeFrom)
      const version: VersionRecord = {
        version: built.version,
        hash: built.hash,
        dir: built.dir,
        entry: built.entry,
        kind: kindOf(entry),
        language: language.name,
        ...(outcome.base !== undefined && { base: outcome.base }),
        protocol,
        createdAt: new Date().toISOString(),
        config: entry,
        ...(digest !== undefined && { package: digest }),
        ...(run.source.deployFile !== undefined && { deployFile: run.source.deployFile }),
        ...(run.source.project !== undefined && { project: run.source.project }),
      }
      const boots: BootFacts[] = []
      const onBoot = (facts: BootFacts) => void boots.push(facts)
      const debugPort = run.debug ? await capability(engine, 'debug').port() : undefined
      const scaledTo = keptOverride(before, entry)
      const { min, max } = scaleOf({ scaledTo, debugPort }, entry)
      // At least one: it has to show that it starts.
      const count = Math.min(max, Math.max(1, min, fleet.wanted(route) ?? 0))
      try {
        run.emit({ type: 'step', name, step: 'starting' })
        const started = await traced('start', { 'ryo_faas.instances': count }, () =>
          instances.start({ name, route, debugPort }, version, { count, signal: run.signal, onBoot }),
        )
        if (run.explain && boots[0]) run.emit({ type: 'booted', name, boot: boots[0] })
        run.emit({ type: 'step', name, step: 'switching' })
        await traced('switch', {}, async () => {
          const served = await instances.withServed(version, started)
          const { from } = run
          await switcher.switchTo({ name, route, version: served, started, scaledTo, from, debugPort })
        })
      } catch (error) {
        if (built.fresh) await this.#discard(built)
        throw error
      }
      if (isImageLater) this.#buildImageLater(built)
      const debugged = debugPort !== undefined && { debugPort, debugPaths: this.#debugPaths(built, entry, language) }
      done(version.version, before ? 'updated' : 'created', { ...madeFrom, ...debugged })
    })
  }

  /** Writes and builds, unless a kept version has the same code. */
  async #build(what: {
    bundle: Bundle
    base: string
    route: string
    name: string
    before: DeploymentRecord | undefined
    signal: AbortSignal
    isImageLater: boolean
  }): Promise<Built> {
    const { images, home } = this.#options
    const { bundle, route, before } = what
    const version = before?.nextVersion ?? 1
    const { hash } = bundle
    const twin = before?.versions.find(kept => kept.hash === hash)
    if (twin) return { version, route, hash, base: what.base, dir: twin.dir, entry: twin.entry, fresh: false }
    const folder = join(home, 'deployments', route, String(version))
    try {
      const written = { route, hash, base: what.base, ...(await bundle.write(folder)) }
      throwIfCancelled(what.name, what.signal)
      if (!what.isImageLater) await images.ensure(written, what.signal)
      return { version, ...written, fresh: true }
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  #buildImageLater(built: Built): void {
    const { images, log } = this.#options
    images.ensureLater(built, error => log.warn({ route: built.route, err: error }, 'an image could not be built'))
  }

  #debugPaths({ dir, entry }: Built, { packageDir }: DeployEntry, { debugging }: Language): DebugPaths {
    const remoteRoot = this.#options.engine.codeFolderOf({ dir })
    const { protocol } = debugging ?? {}
    return { remoteRoot, localRoot: dir, entry, sourceRoot: packageDir, ...(protocol && { protocol }) }
  }

  /** Removes what `#build` left, unless a version in the state uses it. */
  async #discard(built: Built): Promise<void> {
    const { images, state } = this.#options
    if (state.deployment(built.route)?.versions.some(({ hash }) => hash === built.hash)) return
    await images.remove(images.refOf(built))
    await rm(dirname(built.dir), { recursive: true, force: true })
  }
}

function mustBeDebuggable({ entry, language, outcome }: Accepted, engine: Engine): void {
  if (language.debugging === undefined) {
    throw new RyoFaasError('UNSUPPORTED', `${entry.name}: no debugger can attach to the language "${language.name}"`)
  }
  language.debugging.mustBeThere?.({ base: outcome.base, isOnThisMachine: engine.runsInPlace })
}

function throwIfCancelled(name: string, signal: AbortSignal): void {
  if (signal.aborted) throw new RyoFaasError('CANCELLED', `deploying ${name} was cancelled`)
}
