export type { BundleRequest } from './build.ts'
export { nodeBase } from './native-notes.ts'
export { Builder, type BuilderOptions } from './builder.ts'
