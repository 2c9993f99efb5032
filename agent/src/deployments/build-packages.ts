/** Checks and bundles functions where their code is, as packages: what a deploy does up to the moment that it is written. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { BuiltPackages } from '../client/index.ts'
import { kindOf, projectOf, RyoFaasError, type DeployEntry, type DeployEvent } from '../contract/index.ts'
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
  emit: (event: DeployEvent) => void
  signal: AbortSignal
}

/**
 * All functions or none; `close` removes what was written.
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, PACKAGE_INVALID, CANCELLED
 */
export async function buildPackages(
  request: BuildRequest,
  { languages, emit, signal }: BuildRun,
): Promise<BuiltPackages> {
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
  const folder = await mkdtemp(join(tmpdir(), 'rfa-build-'))
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    const built: FolderPackage[] = []
    const entries: DeployEntry[] = []
    // One after another: each bundler may use every core.
    for (const item of accepted) {
      built.push(await buildOne(item, join(folder, String(built.length)), { builtBy: request.builtBy, emit, signal }))
      entries.push(isPortable ? await portable(item, file) : item.entry)
    }
    const paths = new Map(
      built.flatMap(({ dir, manifest }) => manifest.files.map(({ sha256, path }) => [sha256, join(dir, path)])),
    )
    return {
      ...{ project: projectOf(file), file, close },
      functions: built.map(({ manifest }, index) => ({ entry: entries[index]!, manifest })),
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
): Promise<FolderPackage> {
  const { name } = entry
  emit({ type: 'step', name, step: 'building' })
  const bundle = await outcome.bundle(signal)
  if (bundle.facts) emit({ type: 'bundled', name, facts: bundle.facts })
  for (const message of [...notes, ...bundle.notes]) emit({ type: 'note', name, message })
  const written = await bundle.write(folder)
  if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
  return packageOf(written.dir, {
    ...{ name, kind: kindOf(entry), language: language.name, protocol, builtBy, entry: written.entry },
    ...(outcome.base !== undefined && { base: outcome.base }),
  })
}

async function portable({ entry, place }: Accepted, file: string): Promise<DeployEntry> {
  const { entry: moved, problems } = await portableEntry(entry, {
    base: dirname(file),
    place: finding => place(finding),
  })
  if (problems.length > 0) throw new RyoFaasError('DEPLOY_FILE_INVALID', 'the file has problems', { problems })
  return moved
}
