export { activeVersion, deploymentIn, DeploymentRecord, HandlerStyle, PlatformState, VersionRecord } from './state.ts'
export { StateStore } from './state-store.ts'
