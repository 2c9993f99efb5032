export { hashOf, isSameSecret } from '../contract/index.ts'
export { isFromOtherOrigin, isOurHost } from './browser-guard.ts'
export {
  AccessKeys,
  Credentials,
  deliveryToken,
  instanceKey,
  type FunctionClaims,
  type Principal,
} from './credentials.ts'
export { depthOf, signDepth } from './event-depth.ts'
export { CallerKey, createAccessToken, createCallerKey, findIssued, isAccessToken, isCallerKey } from './issued-key.ts'
