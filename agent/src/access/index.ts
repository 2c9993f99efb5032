export { isFromOtherOrigin, isOurHost } from './browser-guard.ts'
export {
  AccessKeys,
  Credentials,
  deliveryToken,
  isSameSecret,
  type FunctionClaims,
  type Principal,
} from './credentials.ts'
export { depthOf, signDepth } from './event-depth.ts'
