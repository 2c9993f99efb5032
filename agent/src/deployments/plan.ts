/** What a deploy is about: the entries of its file, or those of them that were asked for. */
import { routeOf } from '@ryo-faas/runtime/protocol'
import { nearMatch, RyoFaasError, type DeployEntry } from '../contract/index.ts'
import { readDeployFile, type EntryPlace } from '../deploy-file/index.ts'

export interface Planned {
  entry: DeployEntry
  place: EntryPlace
}

/** @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND */
export async function plan(file: string, only: string[] | undefined): Promise<Planned[]> {
  const read = await readDeployFile(file)
  if (read.kind === 'rejected') {
    const count = read.problems.length === 1 ? 'a problem' : `${read.problems.length} problems`
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `deploy.json has ${count}; nothing was deployed`, {
      problems: read.problems,
    })
  }
  const planned = read.entries.map((entry, index) => ({ entry, place: read.places[index]! }))
  if (!only || only.length === 0) return planned
  const wanted = new Set(only.map(routeOf))
  for (const name of only) {
    if (planned.some(({ entry }) => routeOf(entry.name) === routeOf(name))) continue
    const near = nearMatch(
      name,
      planned.map(({ entry }) => entry.name),
    )
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `deploy.json has no function "${name}"`, {
      ...(near !== undefined && { hint: `Did you mean "${near}"?` }),
    })
  }
  return planned.filter(({ entry }) => wanted.has(routeOf(entry.name)))
}
