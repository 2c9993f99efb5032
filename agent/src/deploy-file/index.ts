export { readDeployFile, type DeployFileOutcome, type EntryPlace } from './read-deploy-file.ts'
