/** All languages, one line each, in the order in which they are asked and listed. */
import { CommandLanguage } from './command/command-language.ts'
import type { GoToolchainOptions } from './go/go-toolchain.ts'
import { GoLanguage } from './go/go-language.ts'
import type { Language } from './language.ts'
import { Languages } from './languages.ts'
import { PythonLanguage } from './python/python-language.ts'
import { NodeLanguage, type NodeLanguageOptions } from './node/node-language.ts'

/** What the platform provides to languages that need it. */
export type LanguageOptions = NodeLanguageOptions & GoToolchainOptions

export const LANGUAGES: readonly ((options: LanguageOptions) => Language)[] = [
  options => new NodeLanguage(options),
  options => new GoLanguage(options),
  options => new PythonLanguage(options),
  options => new CommandLanguage(options),
]

export function createLanguages(options: LanguageOptions, languages = LANGUAGES): Languages {
  return new Languages(languages.map(make => make(options)))
}
