export { Deployer, type DeployerOptions } from './deployer.ts'
