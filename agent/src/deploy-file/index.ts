export { readDeployFile, type ReadFunction } from './read-deploy-file.ts'
export type { DeploySettings } from './entry-settings.ts'
