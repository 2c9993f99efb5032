export type { BundleRequest } from './build.ts'
export type { NativeSurroundings } from './native-notes.ts'
export { Builder, type BuilderOptions } from './builder.ts'
