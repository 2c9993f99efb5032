/** The entries of a file to deploy: all, or those requested. */
import { routeOf } from '@ryo-faas/runtime/protocol'
import { nearMatch, RyoFaasError } from '../contract/index.ts'
import { readDeployFile, type DeploySettings, type ReadFunction } from '../deploy-file/index.ts'
import type { Languages } from '../languages/index.ts'

export type Planned = ReadFunction

export interface PlanRequest extends DeploySettings {
  file: string
  only?: string[] | undefined
}

/** @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND */
export async function plan({ file, only, ...settings }: PlanRequest, languages: Languages): Promise<Planned[]> {
  return chosenOf(await readDeployFile(file, languages, settings), only)
}

/** The same as the file declares them: nothing of one deploy is decided yet. */
export async function planAsDeclared(
  { file, only }: Pick<PlanRequest, 'file' | 'only'>,
  languages: Languages,
): Promise<Planned[]> {
  return chosenOf(await readDeployFile(file, languages, 'as-declared'), only)
}

function chosenOf(read: Awaited<ReturnType<typeof readDeployFile>>, only: string[] | undefined): Planned[] {
  if (read.kind === 'rejected') {
    const count = read.problems.length === 1 ? '1 problem' : `${read.problems.length} problems`
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `deploy.json has ${count}; nothing was deployed`, {
      problems: read.problems,
    })
  }
  const { functions } = read
  if (!only || only.length === 0) return functions
  const names = functions.map(({ entry }) => entry.name)
  const wanted = new Set(only.map(routeOf))
  for (const name of only) {
    if (names.some(known => routeOf(known) === routeOf(name))) continue
    const near = nearMatch(name, names)
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `deploy.json has no function "${name}"`, {
      ...(near !== undefined && { hint: `Did you mean "${near}"?` }),
    })
  }
  return functions.filter(({ entry }) => wanted.has(routeOf(entry.name)))
}
