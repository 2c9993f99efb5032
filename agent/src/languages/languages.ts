/** The languages of a platform: finds the language of an entry in deploy.json, and asks all languages at once. */
import { nearMatch, RyoFaasError } from '../contract/index.ts'
import type { CheckOutcome, FunctionSource, Language } from './language.ts'

/** The fields of an entry that determine its language. */
export interface LanguageChoice {
  language?: string | undefined
  filePath: string
  command?: unknown
  dockerfile?: unknown
}

export interface ChoiceProblem {
  /** Field of the entry with the problem. */
  field: 'language' | 'filePath'
  finding: { code: string; message: string; hint: string }
}

export class Languages {
  readonly #languages: readonly Language[]

  constructor(languages: readonly Language[]) {
    this.#languages = languages
  }

  /** Why an entry has no language; `undefined` if it has one. */
  problemOf(choice: LanguageChoice): ChoiceProblem | undefined {
    const { language, filePath } = choice
    const code = 'unknown-language'
    if (language !== undefined) {
      if (this.#find(language)) return undefined
      const names = this.#languages.map(({ name }) => name)
      const near = nearMatch(language, names)
      const message = `unknown language "${language}"${near === undefined ? '' : `, did you mean "${near}"?`}`
      return { field: 'language', finding: { code, message, hint: `Known: ${names.join(', ')}` } }
    }
    if (this.#claiming(choice)) return undefined
    const known = this.#languages
      .filter(({ endings }) => endings.length > 0)
      .map(({ name, endings }) => `${endings.join(' ')} (${name})`)
    const message = `"${filePath}" has an unknown file extension`
    return { field: 'filePath', finding: { code, message, hint: `Known extensions: ${known.join(', ')}` } }
  }

  /** Those of an entry's fields that only another language than its own understands. */
  foreignFields(choice: LanguageChoice, fields: readonly string[]): string[] {
    const own = this.of(choice)
    const others = this.#languages.filter(language => language !== own).flatMap(({ fields = [] }) => fields)
    return fields.filter(field => others.includes(field) && !own.fields?.includes(field))
  }

  /** @throws RyoFaasError UNSUPPORTED for an entry with a problem */
  of(choice: LanguageChoice): Language {
    const found = choice.language === undefined ? this.#claiming(choice) : this.#find(choice.language)
    if (found) return found
    const { message, hint } = this.problemOf(choice)!.finding
    throw new RyoFaasError('UNSUPPORTED', message, { hint })
  }

  /** @throws RyoFaasError UNSUPPORTED if an agent with more languages wrote that name */
  named(name: string): Language {
    const found = this.#find(name)
    if (found) return found
    throw new RyoFaasError('UNSUPPORTED', `functions in ${name} cannot run: this agent does not support the language`)
  }

  /** Asks each language once; one outcome for each source, in the same order. */
  async check(sources: { language: Language; source: FunctionSource }[]): Promise<CheckOutcome[]> {
    const used = [...new Set(sources.map(({ language }) => language))]
    const answers = await Promise.all(
      used.map(async language => {
        const own = sources.filter(item => item.language === language).map(({ source }) => source)
        return (await language.check(own)).values()
      }),
    )
    return sources.map(({ language }) => answers[used.indexOf(language)]!.next().value!)
  }

  async warmUp(): Promise<void> {
    await Promise.all(this.#languages.map(async language => language.warmUp?.()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#languages.map(async language => language.close?.()))
  }

  #find(wanted: string): Language | undefined {
    return this.#languages.find(({ name }) => name === wanted)
  }

  /** By what the entry says before what its file is called. */
  #claiming(choice: LanguageChoice): Language | undefined {
    return (
      this.#languages.find(({ claims = [] }) => claims.some(field => choice[field] !== undefined)) ??
      this.#languages.find(({ endings }) => endings.some(ending => choice.filePath.endsWith(ending)))
    )
  }
}
