/** The project of a deployment: the folder of the deploy.json that it was deployed from, and its files here. */
import { basename, dirname, join } from 'node:path'
import { projectOf, type DeploymentView } from 'ryo-faas/contract'
import type { DeployFileModel } from './deploy-file.ts'

type Place = Pick<DeploymentView, 'deployFile' | 'filePath' | 'project'>

/** Absolute; an agent of an earlier release does not report it. */
export function projectFolderOf({ deployFile }: Place): string | undefined {
  return deployFile === undefined ? undefined : dirname(deployFile)
}

/** To show. */
export function projectNameOf(deployment: Place): string {
  return deployment.project ?? basename(projectFolderOf(deployment) ?? dirname(deployment.filePath))
}

/**
 * A deployment with the files of this machine. What was built here for another machine names its project and its place in
 * it: the workspace has the rest. Files of a server are marked as such, so that none of this machine is taken for one.
 */
export function located<Deployment extends Place & Pick<DeploymentView, 'name'>>(
  deployment: Deployment,
  { projects, server }: { projects: readonly LocatedIn[]; server: string | undefined },
): Deployment {
  const { project, name, filePath, deployFile } = deployment
  if (project !== undefined) {
    const known = projects.find(
      ({ file, entries }) =>
        projectOf(file) === project &&
        entries.some(entry => entry.name === name && entry.filePath === join(dirname(file), filePath)),
    )
    if (known !== undefined) {
      return { ...deployment, filePath: join(dirname(known.file), filePath), deployFile: known.file }
    }
  }
  if (server === undefined) return deployment
  return {
    ...deployment,
    filePath: `${server}:${filePath}`,
    ...(deployFile !== undefined && { deployFile: `${server}:${deployFile}` }),
  }
}

type LocatedIn = Pick<DeployFileModel, 'file'> & {
  entries: readonly Pick<DeployFileModel['entries'][number], 'name' | 'filePath'>[]
}
