/**
 * Which project a name belongs to. All projects of a home share the addresses of their functions, so a second project
 * with a `hello` would take over the address, the versions and the calls of the first one's.
 *
 * A project is the folder of a deploy.json; elsewhere it is known by the name of that folder. A name is free again when the deploy.json that it came from is gone.
 * The same holds for the paths that functions name (`route`), whatever project they belong to.
 */
import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { routeOf } from '@ryo-faas/runtime/protocol'
import { projectOf, RyoFaasError, sharingRoute, type DeployEntry } from '../contract/index.ts'
import { activeVersion, type DeploymentRecord, type PlatformState } from './state/index.ts'

/** What is deployed: a deploy.json of this machine, or a project that was built elsewhere. */
export interface Project {
  deployFile?: string
  project?: string
}

/** @throws RyoFaasError NAME_TAKEN, with all names that belong to other projects */
export async function mustBeFree(
  entries: DeployEntry[],
  { source, recordOf }: { source: Project; recordOf(name: string): DeploymentRecord | undefined },
): Promise<void> {
  const taken = new Map<string, string[]>()
  for (const { name, filePath } of entries) {
    const record = recordOf(name)
    const owner = record && (await ownerOf(record, { ...source, filePath }))
    if (owner !== undefined) taken.set(owner, [...(taken.get(owner) ?? []), `"${name}"`])
  }
  if (taken.size === 0) return
  const list = [...taken].map(([owner, names]) => {
    return `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} already deployed from ${owner}`
  })
  throw new RyoFaasError('NAME_TAKEN', `${list.join('; ')}; nothing was deployed`, {
    hint: 'Deploy with --replace to replace it, or give yours another name in deploy.json.',
  })
}

/**
 * @param entries what is about to be deployed, in place of the active versions of the same names
 * @throws RyoFaasError ROUTE_TAKEN
 */
export function routesMustBeFree(entries: DeployEntry[], { deployments }: Pick<PlatformState, 'deployments'>): void {
  const replaced = new Set(entries.map(({ name }) => routeOf(name)))
  const others = Object.values(deployments).filter(({ route }) => !replaced.has(route))
  const served = others.map(record => activeVersion(record).config)
  for (const entry of entries) {
    const other = sharingRoute(entry, served)
    if (other === undefined) continue
    throw new RyoFaasError('ROUTE_TAKEN', `${entry.route} of "${entry.name}" is already served by "${other.name}"`, {
      hint: `Change its route or methods, or stop the other: ryo-faas stop ${other.name}`,
    })
  }
}

/** The deploy.json of another project that has this name, or the name of the project. */
async function ownerOf(
  record: DeploymentRecord,
  { deployFile: file, project, filePath }: Project & { filePath: string },
): Promise<string | undefined> {
  const active = activeVersion(record)
  const { deployFile, config } = active
  if (active.project !== undefined) {
    const isOurs = active.project === (project ?? projectOf(file!))
    return isOurs ? undefined : `the project "${active.project}"`
  }
  if (deployFile === undefined) return undefined
  // One function may be in the files of a package and of the repository around it.
  if (file !== undefined && config.filePath === filePath) return undefined
  const owner = await realpath(deployFile).catch(() => undefined)
  if (owner === undefined) return undefined
  if (file === undefined) return projectOf(deployFile) === project ? undefined : deployFile
  // Editor and shell may spell one folder differently.
  const ours = await realpath(file).catch(() => undefined)
  return ours !== undefined && dirname(owner) === dirname(ours) ? undefined : deployFile
}
