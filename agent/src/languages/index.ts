export type * from './language.ts'
export { Languages } from './languages.ts'
export { createLanguages, LANGUAGES } from './registry.ts'
