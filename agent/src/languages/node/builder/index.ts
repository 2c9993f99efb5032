export { Builder, type BuilderOptions } from './builder.ts'
