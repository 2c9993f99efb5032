export {
  activeVersion,
  CallerKeyRecord,
  deploymentIn,
  DeploymentRecord,
  PlatformState,
  VersionRecord,
} from './state.ts'
export { StateStore } from './state-store.ts'
