export type { DeployedRoute } from './deployed-route.ts'
export { Deployer, type DeployerOptions } from './deployer.ts'
