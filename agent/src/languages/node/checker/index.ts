/** The checker as a service. `in-process.ts` is the second entry point: it loads the compiler, which takes 250 ms. */
export type { AdapterUse, CheckRequest, HandlerCall } from './check.ts'
export type { InstalledPlace } from './installed-place.ts'
export { createCheckService, type CheckServiceOptions, type WarmCheckService } from './check-service.ts'
export { TYPES_NAMESPACE, TYPES_SUFFIX, type CompileRequest } from './compile-request.ts'
