export { readDeployFile, type ReadFunction } from './read-deploy-file.ts'
export { portableEntry, type DeploySettings } from './entry-settings.ts'
export { settleEntries } from './settle-entries.ts'
