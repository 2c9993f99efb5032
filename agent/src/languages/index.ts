export type * from './language.ts'
export type { NativeSurroundings } from './node/builder/index.ts'
export { Languages } from './languages.ts'
export { createLanguages, LANGUAGES, type LanguageOptions } from './registry.ts'
