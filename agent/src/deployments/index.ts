export { checkFile } from './check.ts'
export { Deployer } from './deployer.ts'
export { CallCounts } from './call-counts.ts'
