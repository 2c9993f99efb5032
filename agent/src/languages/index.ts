export type * from './language.ts'
export { Languages } from './languages.ts'
export { createLanguages, LANGUAGES, type LanguageOptions } from './registry.ts'
