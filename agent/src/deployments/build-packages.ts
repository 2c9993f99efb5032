/** Checks and bundles functions where their code is, as packages: what a deploy does up to the moment that it is written. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BuiltPackages } from '../client/index.ts'
import {
  kindOf,
  projectOf,
  RyoFaasError,
  type BuildProgress,
  type BuiltFunction,
  type DeployEntry,
} from '../contract/index.ts'
import { portableEntry } from '../deploy-file/index.ts'
import type { Languages } from '../languages/index.ts'
import { packageOf, type FolderPackage } from '../packages/index.ts'
import { checkPlanned, type Accepted } from './check.ts'
import { throwIfAny } from './deploy-sources.ts'
import { plan, planAsDeclared, type PlanRequest } from './plan.ts'

export interface BuildRequest extends PlanRequest {
  /** For any deploy, later and elsewhere: with everything that an environment decides still open. */
  isPortable?: boolean
  /** Release of ryo-faas that builds it. */
  builtBy: string
}

export interface BuildRun {
  languages: Languages
  emit: (event: BuildProgress) => void
  signal: AbortSignal
}

export interface FolderPackages extends BuiltPackages {
  /** Where each of its functions was written. */
  folders: FolderPackage[]
}

/**
 * All functions or none; `close` removes what was written, in a folder of its own below `folder`.
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, PACKAGE_INVALID, CANCELLED
 */
export async function buildPackages(
  { folder: parent, ...request }: BuildRequest & { folder: string },
  { languages, emit, signal }: BuildRun,
): Promise<FolderPackages> {
  const { file, isPortable } = request
  const planned = isPortable ? await planAsDeclared(request, languages) : await plan(request, languages)
  emit({
    type: 'planned',
    names: planned.map(({ entry }) => entry.name),
    folders: [...new Set(planned.flatMap(({ entry, watched }) => [entry.packageDir, ...watched]))],
  })
  for (const { entry } of planned) emit({ type: 'step', name: entry.name, step: 'checking' })
  const { accepted, problems } = await checkPlanned(planned, file, { languages })
  throwIfAny(problems)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(parent, 'rfa-build-'))
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    const functions: BuiltFunction[] = []
    const folders: FolderPackage[] = []
    // One after another: each bundler may use every core.
    for (const item of accepted) {
      const run = { builtBy: request.builtBy, emit, signal }
      const built = await buildOne(item, join(folder, String(folders.length)), run)
      folders.push(built)
      functions.push({
        entry: isPortable ? await portable(item, file) : item.entry,
        manifest: built.manifest,
        ...(built.madeFrom && { folders: built.madeFrom }),
      })
    }
    const paths = new Map(
      folders.flatMap(({ dir, manifest }) => manifest.files.map(({ sha256, path }) => [sha256, join(dir, path)])),
    )
    return {
      ...{ project: projectOf(file), file, functions, folders, close },
      open: sha256 => createReadStream(paths.get(sha256)!),
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function buildOne(
  { entry, language, outcome, notes, protocol }: Accepted,
  folder: string,
  { builtBy, emit, signal }: Pick<BuildRun, 'emit' | 'signal'> & Pick<BuildRequest, 'builtBy'>,
): Promise<FolderPackage & { madeFrom?: string[] | undefined }> {
  const { name } = entry
  emit({ type: 'step', name, step: 'building' })
  const bundle = await outcome.bundle(signal)
  if (bundle.facts) emit({ type: 'bundled', name, facts: bundle.facts })
  for (const message of [...notes, ...bundle.notes]) emit({ type: 'note', name, message })
  const written = await bundle.write(folder)
  if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
  const built = await packageOf(written.dir, {
    ...{ name, kind: kindOf(entry), language: language.name, protocol, builtBy, entry: written.entry },
    ...(outcome.base !== undefined && { base: outcome.base }),
  })
  return { ...built, madeFrom: bundle.folders }
}

async function portable({ entry, place }: Accepted, file: string): Promise<DeployEntry> {
  const { entry: moved, problems } = await portableEntry(entry, {
    base: dirname(file),
    place: finding => place(finding),
  })
  if (problems.length > 0) throw new RyoFaasError('DEPLOY_FILE_INVALID', 'the file has problems', { problems })
  return moved
}
