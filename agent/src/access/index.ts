export { isSameSecret } from '../contract/index.ts'
export { isFromOtherOrigin, isOurHost } from './browser-guard.ts'
export { AccessKeys, Credentials, deliveryToken, type FunctionClaims, type Principal } from './credentials.ts'
export { depthOf, signDepth } from './event-depth.ts'
