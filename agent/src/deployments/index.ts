export type { DeployedRoute } from './deployed-route.ts'
export { Deployer, type DeployerOptions } from './deployer.ts'
export { CallCounts } from './call-counts.ts'
