/**
 * Functions of deploy.json in languages that the analysis worker does not read: where each is declared. Only that; the
 * agent checks them at the deploy.
 */
import type { Entry } from '../project/deploy-file.ts'

/** By the editor's name of the language. */
const DECLARATIONS: Readonly<Record<string, (name: string) => RegExp>> = {
  go: name => new RegExp(`^(?:func|var) (${name})\\b`, 'm'),
  python: name => new RegExp(`^(?:(?:async )?def ${name}\\b|${name} *(?::[^=\\n]*)?=(?!=))`, 'm'),
}

/** What registers the handlers of a service. */
const MAIN: Readonly<Record<string, string>> = { go: 'Init', python: 'main' }

export const DECLARED_LANGUAGES = Object.keys(DECLARATIONS)

export interface Declared {
  /** As in deploy.json. */
  name: string
  /** In the text. */
  offset: number
}

export function declaredIn(
  { languageId, text }: { languageId: string; text: string },
  entries: readonly Pick<Entry, 'name' | 'export' | 'kind'>[],
): Declared[] {
  const declaration = DECLARATIONS[languageId]
  if (declaration === undefined) return []
  return entries.flatMap(({ name, export: exported, kind }) => {
    const found = declaration(exported ?? (kind === 'service' ? MAIN[languageId]! : name)).exec(text)
    return found === null ? [] : [{ name, offset: found.index }]
  })
}
