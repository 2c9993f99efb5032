export { checkFile } from './check.ts'
export { Deployer, type DeployerOptions } from './deployer.ts'
export { CallerKeys } from './caller-keys.ts'
export { CallCounts } from './call-counts.ts'
