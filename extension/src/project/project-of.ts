/** Which project a deployment came from: the folder of the deploy.json that it was deployed from. */
import { basename, dirname } from 'node:path'
import type { DeploymentView } from 'ryo-faas/contract'

type Place = Pick<DeploymentView, 'deployFile' | 'filePath'>

/** Absolute; an agent of an earlier release does not tell it. */
export function projectFolderOf({ deployFile }: Place): string | undefined {
  return deployFile === undefined ? undefined : dirname(deployFile)
}

/** As people call it. */
export function projectNameOf(deployment: Place): string {
  return basename(projectFolderOf(deployment) ?? dirname(deployment.filePath))
}
