export type { Bundle, BundleRequest, WrittenBundle } from './build.ts'
