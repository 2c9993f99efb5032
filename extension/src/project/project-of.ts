/** The project of a deployment: the folder of the deploy.json that it was deployed from. */
import { basename, dirname } from 'node:path'
import type { DeploymentView } from 'ryo-faas/contract'

type Place = Pick<DeploymentView, 'deployFile' | 'filePath'>

/** Absolute; an agent of an earlier release does not report it. */
export function projectFolderOf({ deployFile }: Place): string | undefined {
  return deployFile === undefined ? undefined : dirname(deployFile)
}

/** To show. */
export function projectNameOf(deployment: Place): string {
  return basename(projectFolderOf(deployment) ?? dirname(deployment.filePath))
}
