/** Functions that are to run without a platform: those that are deployed, or those of a deploy.json. */
import { join } from 'node:path'
import { routeOf } from '@ryo-faas/runtime/protocol'
import { kindOf, nearMatch, RyoFaasError } from '../../contract/index.ts'
import type { Languages } from '../../languages/index.ts'
import { checkPlanned } from '../check.ts'
import { throwIfAny } from '../deploy-sources.ts'
import { plan, type PlanRequest } from '../plan.ts'
import { activeVersion, type PlatformState, type VersionRecord } from '../state/index.ts'

export interface ExportedFunction {
  name: string
  route: string
  version: VersionRecord
  /** What `ryo-faas scale` said. */
  scaledTo?: number | undefined
  /** What the check had to say. */
  notes: string[]
}

/**
 * The active versions of these deployments, or of all.
 * @throws RyoFaasError DEPLOYMENT_NOT_FOUND
 */
export function deployedFunctions(state: Readonly<PlatformState>, names: readonly string[]): ExportedFunction[] {
  const records = Object.values(state.deployments)
  const known = records.map(({ name }) => name)
  for (const name of names) {
    if (records.some(({ route }) => route === routeOf(name))) continue
    const near = nearMatch(name, known)
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment is named "${name}"`, {
      ...(near !== undefined && { hint: `Did you mean "${near}"?` }),
    })
  }
  const wanted = new Set(names.map(routeOf))
  return records
    .filter(({ route }) => wanted.size === 0 || wanted.has(route))
    .map(record => ({
      ...{ name: record.name, route: record.route, version: activeVersion(record), notes: [] },
      ...(record.scaledTo !== undefined && { scaledTo: record.scaledTo }),
    }))
}

export interface BuildFunctions {
  languages: Languages
  /** Absolute: gets a folder for each function. */
  folder: string
  /** Called as each is being built. */
  report: (name: string) => void
  signal: AbortSignal
}

/**
 * Checks and bundles a deploy.json, all of it or none.
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, CANCELLED
 */
export async function builtFunctions(
  request: PlanRequest,
  { languages, folder, report, signal }: BuildFunctions,
): Promise<ExportedFunction[]> {
  const planned = await plan(request, languages)
  const { accepted, problems } = await checkPlanned(planned, request.file, { languages })
  throwIfAny(problems)
  const functions: ExportedFunction[] = []
  // One after another: each bundler may use every core.
  for (const { entry, language, outcome, notes, protocol } of accepted) {
    const { name } = entry
    const route = routeOf(name)
    report(name)
    const bundle = await outcome.bundle(signal)
    const written = await bundle.write(join(folder, route))
    const version: VersionRecord = {
      ...{ version: 1, hash: bundle.hash, ...written, kind: kindOf(entry), language: language.name, protocol },
      ...(outcome.base !== undefined && { base: outcome.base }),
      ...{ createdAt: new Date().toISOString(), config: entry, deployFile: request.file },
      ...(outcome.scheduled !== undefined && { isScheduled: true as const }),
    }
    functions.push({ name, route, version, notes: [...notes, ...bundle.notes] })
  }
  return functions
}
