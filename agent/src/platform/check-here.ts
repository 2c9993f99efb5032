import { checkFile } from '../deployments/index.ts'
import { SecretStore } from '../secrets/index.ts'
import { languagesHere } from './languages-here.ts'

export interface CheckHereOptions {
  home: string
  environment: NodeJS.ProcessEnv
  runtimeDir: string
}

/**
 * Checks a deploy.json without a platform, as its agent would.
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND
 */
export async function checkHere(
  request: Parameters<typeof checkFile>[0],
  { home, environment, runtimeDir }: CheckHereOptions,
) {
  const languages = languagesHere({ home, environment, runtimeDir })
  try {
    return await checkFile(request, { languages, secrets: new SecretStore(home) })
  } finally {
    await languages.close()
  }
}
