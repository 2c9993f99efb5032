export {
  activeVersion,
  CallerKeyRecord,
  deploymentIn,
  DeploymentRecord,
  PlatformState,
  VersionRecord,
} from './state.ts'
export { readState, StateStore } from './state-store.ts'
