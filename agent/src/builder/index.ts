export type { Bundle, BundleRequest, WrittenBundle } from './build.ts'
export { Builder, type BuilderOptions } from './builder.ts'
