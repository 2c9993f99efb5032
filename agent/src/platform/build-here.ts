/** What the command line does with packages on this machine, with or without a platform. */
import { tmpdir } from 'node:os'
import type { BuiltPackages } from '../client/index.ts'
import { buildPackages, type BuildRequest, type BuildRun } from '../deployments/index.ts'
import { languagesHere } from './languages-here.ts'

export { openArtefact, writeArtefact } from '../packages/index.ts'

export interface BuildHereOptions {
  home: string
  environment: NodeJS.ProcessEnv
  runtimeDir: string
}

/**
 * Checks and bundles a deploy.json, as the agent of this machine would.
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, PACKAGE_INVALID, CANCELLED
 */
export async function buildHere(
  request: BuildRequest,
  run: Omit<BuildRun, 'languages'>,
  { home, environment, runtimeDir }: BuildHereOptions,
): Promise<BuiltPackages> {
  const languages = languagesHere({ home, environment, runtimeDir })
  try {
    return await buildPackages({ ...request, folder: tmpdir() }, { ...run, languages })
  } finally {
    await languages.close()
  }
}
