export {
  activeVersion,
  CallerKeyRecord,
  deploymentIn,
  deploymentNamed,
  DeploymentRecord,
  PlatformState,
  VersionRecord,
} from './state.ts'
export { readState, StateStore } from './state-store.ts'
