/** The languages of a home, with a checker in a process of its own. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createLanguages, type LanguageOptions, type Languages } from '../languages/index.ts'
import { entryPath } from './entries.ts'

export interface LanguagesHereOptions extends Pick<LanguageOptions, 'environment' | 'runtimeDir' | 'surroundings'> {
  home: string
}

/** To be closed. */
export function languagesHere({ home, ...options }: LanguagesHereOptions): Languages {
  const checker = { entry: pathToFileURL(entryPath('languages/node/checker/checker-main')) }
  return createLanguages({ ...options, cacheDir: join(home, 'cache'), checker })
}
