/**
 * Where the functions of a deploy come from: a deploy.json on this machine, whose code is checked and bundled here, or
 * packages that were built elsewhere and uploaded. From here on both are one: settings, and code that is ready to write.
 */
import type { z } from 'zod'
import {
  codeHashOf,
  kindOf,
  RyoFaasError,
  type PackagedDeploy,
  type PackageManifest,
  type Problem,
} from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import type { Languages } from '../languages/index.ts'
import { thisMachine, unsuitable, type PackageStore, type Target } from '../packages/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import { checkPlanned, missingNodes, missingSecrets, type Accepted } from './check.ts'
import { plan, type Planned, type PlanRequest } from './plan.ts'

export interface DeploySource {
  /** What is said about its functions refers to this file. */
  file: string
  /** Present if it is on this machine. */
  deployFile?: string
  /** Present if it is not. */
  project?: string
  functions(): Promise<Planned[]>
  /** @throws RyoFaasError CHECK_FAILED with every problem */
  accepted(planned: Planned[]): Promise<Accepted[]>
}

export interface SourceDependencies {
  languages: Languages
  secrets: SecretStore
  engine: Engine
  packages: PackageStore
}

export function sourceOnDisk(request: PlanRequest, dependencies: SourceDependencies): DeploySource {
  const { file } = request
  return {
    file,
    deployFile: file,
    functions: () => plan(request, dependencies.languages),
    accepted: async planned => {
      const { accepted, problems } = await checkPlanned(planned, file, dependencies)
      throwIfAny(problems)
      return accepted
    },
  }
}

type Packaged = Pick<z.output<typeof PackagedDeploy>, 'file' | 'project' | 'functions'>

export function uploadedSource({ file, project, functions }: Packaged, dependencies: SourceDependencies): DeploySource {
  const { languages, secrets, engine, packages } = dependencies
  const digests = new Map(functions.map(each => [each.entry, each.package]))
  return {
    file,
    project,
    functions: async () =>
      Promise.all(
        functions.map(async ({ entry, package: digest }) => {
          const { language } = await packages.manifest(digest)
          const place: Planned['place'] = finding => ({ ...finding, file, line: 1, column: 1 })
          return { entry, language: languages.named(language), watched: [], notes: [], place }
        }),
      ),
    accepted: async planned => {
      const accepted = await Promise.all(
        planned.map(async (item): Promise<Accepted> => {
          const digest = digests.get(item.entry)!
          const manifest = await packages.manifest(digest)
          mustBeOf(item, manifest)
          await mustRun(manifest, { languages, engine })
          return {
            ...item,
            protocol: manifest.protocol,
            package: digest,
            outcome: {
              kind: 'accepted',
              ...(manifest.base !== undefined && { base: manifest.base }),
              bundle: async () => ({
                hash: codeHashOf(manifest),
                notes: [],
                write: versionDir => packages.place({ manifest, versionDir, isWritable: engine.runsInPlace }),
              }),
            },
          }
        }),
      )
      throwIfAny([
        ...missingSecrets(planned, new Set(await secrets.names())),
        ...(await missingNodes(accepted, engine)),
      ])
      return accepted
    },
  }
}

/**
 * Before anything is uploaded.
 * @throws RyoFaasError PACKAGE_UNSUITABLE, UNSUPPORTED
 */
export async function mustRun(
  manifest: PackageManifest,
  { languages, engine }: Pick<SourceDependencies, 'languages' | 'engine'>,
): Promise<void> {
  const { name, base, protocol, builtBy } = manifest
  const language = languages.named(manifest.language)
  if (protocol > language.protocol) {
    throw new RyoFaasError('UNSUPPORTED', `${name} was built by ryo-faas ${builtBy}, which is newer than this agent`, {
      hint: 'Update ryo-faas where it is to run.',
    })
  }
  if (manifest.builtOn === undefined) return
  const why = unsuitable(manifest, await targetOf(engine, base))
  if (why === undefined) return
  throw new RyoFaasError('PACKAGE_UNSUITABLE', why, {
    hint: 'Build it on such a machine (in CI: deploy --build-only --out), or install its packages for that system first.',
  })
}

async function targetOf(engine: Engine, base: string | undefined): Promise<Target> {
  // That there is no such Node is a problem of its own.
  const { system, modules, libraries } = await engine.surroundings(base).catch(() => engine.surroundings())
  const own = thisMachine(modules)
  const platform = system ?? process.platform
  const libc = libraries === undefined ? own?.libc : libraries.has('libc.so.6') ? 'glibc' : 'musl'
  return {
    ...{ platform, arch: process.arch, modules },
    // Another machine than this one says nothing about its libraries.
    ...(platform === process.platform && { libc }),
  }
}

/** Its code was checked and wrapped for this: settings cannot change it. */
function mustBeOf({ entry, language }: Planned, manifest: PackageManifest): void {
  const given = {
    name: entry.name,
    kind: kindOf(entry),
    base: entry.node === undefined ? undefined : `node@${entry.node}`,
  }
  for (const field of ['name', 'kind', 'base'] as const) {
    if (given[field] === manifest[field]) continue
    const built = manifest[field] ?? 'the platform’s own'
    throw new RyoFaasError(
      'PACKAGE_INVALID',
      `${entry.name} was built with another ${field} (${built}) than it is deployed with`,
    )
  }
  if (entry.language !== undefined && entry.language !== language.name) {
    throw new RyoFaasError('PACKAGE_INVALID', `${entry.name} was built in ${language.name}, not in ${entry.language}`)
  }
}

/** @throws RyoFaasError CHECK_FAILED */
export function throwIfAny(problems: Problem[]): void {
  if (problems.length === 0) return
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  throw new RyoFaasError('CHECK_FAILED', `${count} found; nothing was deployed`, { problems })
}
