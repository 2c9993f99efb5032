/** Packages on their way: built here for the agent of another machine, or built elsewhere and brought here. */
import type { Readable } from 'node:stream'
import { RyoFaasError, type BuildEvent, type PackageManifest } from '../contract/index.ts'
import type { PackageStore } from '../packages/index.ts'
import { buildPackages } from './build-packages.ts'
import { mustRun, type SourceDependencies } from './deploy-sources.ts'
import type { PlanRequest } from './plan.ts'
import type { StateStore } from './state/index.ts'

export interface PackageIntakeOptions extends Pick<SourceDependencies, 'languages' | 'engine' | 'packages'> {
  state: StateStore
  /** Release of ryo-faas. */
  version: string
  log: { warn(details: object, message: string): void }
}

export class PackageIntake {
  readonly #options: PackageIntakeOptions
  readonly #stopping: AbortSignal

  /** @param stopping aborts builds when the platform stops */
  constructor(options: PackageIntakeOptions, stopping: AbortSignal) {
    this.#options = options
    this.#stopping = stopping
  }

  /** Checks and bundles on this machine. Failures are events. */
  async build(request: PlanRequest, emit: (event: BuildEvent) => void, signal: AbortSignal): Promise<void> {
    const { languages, packages, version } = this.#options
    try {
      const folder = packages.unfinishedFolder
      const run = { languages, emit, signal: AbortSignal.any([signal, this.#stopping]) }
      const built = await buildPackages({ ...request, folder, builtBy: version }, run)
      const { project, functions, folders } = built
      const contents = await packages.adopt(folders, this.#needed()).finally(() => built.close())
      emit({ type: 'built', project, functions, folder: contents })
    } catch (error) {
      emit({ type: 'failed', error: RyoFaasError.from(error).toBody() })
    }
  }

  /**
   * @returns the contents that must be uploaded before these packages can be deployed
   * @throws RyoFaasError PACKAGE_UNSUITABLE, UNSUPPORTED, PACKAGE_INVALID
   */
  async announce(manifests: PackageManifest[]): ReturnType<PackageStore['announce']> {
    for (const manifest of manifests) await mustRun(manifest, this.#options)
    return this.#options.packages.announce(manifests, this.#needed())
  }

  receive(tar: Readable): ReturnType<PackageStore['receive']> {
    return this.#options.packages.receive(tar)
  }

  /** Nothing depends on it: what cannot be removed now is removed the next time. */
  async collect(): Promise<void> {
    const { packages, log } = this.#options
    await packages
      .collect(this.#needed())
      .catch((error: unknown) => log.warn({ err: error }, 'old packages could not be removed'))
  }

  /** Digests of the packages of all kept versions. */
  #needed(): Set<string> {
    const records = Object.values(this.#options.state.current.deployments)
    return new Set(records.flatMap(({ versions }) => versions.flatMap(version => version.package ?? [])))
  }
}
