/** Routes: the one schema of what is deployed, and how it reaches the processes that serve it. */
export { ControlClient, ControlError, type ControlClientOptions } from './control-client.ts'
export { controlPathOf, isControlledAt, prepareControlPath } from './control-path.ts'
export { startControlServer } from './control-server.ts'
export { PushChannel, type PatchReader, type RouteChannel, type RouteReader, type Served } from './route-channel.ts'
export { isLive, Members, NotReachedError, Presence, Sealer, TableFollower, TableWriter } from './shared/index.ts'
export { RouteKeeper, StaleTableError } from './route-keeper.ts'
export {
  Access,
  Route,
  RouteInstance,
  keyOfInstance,
  patched,
  RoutePatch,
  RouteTable,
  RouteTrigger,
  TableClock,
  type RouteInput,
  type RoutePatchInput,
  type RouteTableInput,
} from './route.ts'
