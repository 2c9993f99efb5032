export {
  activeVersion,
  CallerKeyRecord,
  deploymentIn,
  DeploymentRecord,
  PlatformState,
  VersionRecord,
} from './state.ts'
export { readState, StateStore, type StateReplica } from './state-store.ts'
