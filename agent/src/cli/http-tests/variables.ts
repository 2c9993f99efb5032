/** What `{{…}}` stands for in a request: variables of the file, responses of named requests, and a few that are made up for each request. */
import { RyoFaasError } from '../../contract/index.ts'
import { valueAt, type ReceivedResponse } from './received-response.ts'

const PLACEHOLDER = /\{\{\s*([^{}]+?)\s*\}\}/g
const NESTED = 10

export interface VariableSources {
  /** They win over those of the file. */
  readonly given: ReadonlyMap<string, string>
  readonly file: readonly (readonly [name: string, value: string])[]
  readonly responses: ReadonlyMap<string, ReceivedResponse>
  readonly environment: NodeJS.ProcessEnv
}

export class Variables {
  readonly #sources: VariableSources
  readonly #file: ReadonlyMap<string, string>

  constructor(sources: VariableSources) {
    this.#sources = sources
    this.#file = new Map(sources.file)
  }

  /** @throws RyoFaasError INVALID_OPTION for a name that stands for nothing */
  fill(text: string, depth = 0): string {
    return text.replaceAll(PLACEHOLDER, (_, name: string) => this.#valueOf(name, depth))
  }

  #valueOf(name: string, depth: number): string {
    const given = this.#sources.given.get(name)
    if (given !== undefined) return given
    if (name.startsWith('$')) return this.#madeUp(name)
    const written = this.#file.get(name)
    if (written !== undefined) {
      if (depth === NESTED) throw unknown(name, 'refers to itself')
      return this.fill(written, depth + 1)
    }
    const [, request, part] = /^([\w-]+)\.response\.(.+)$/.exec(name) ?? []
    if (request === undefined) throw unknown(name, 'is not defined: write @name = value, or --var name=value')
    const response = this.#sources.responses.get(request)
    if (response === undefined) throw unknown(name, `needs a request with # @name ${request} before it`)
    const value = valueAt(response, part!)
    if (value === undefined) throw unknown(name, `is not in the response of ${request}`)
    return typeof value === 'string' ? value : JSON.stringify(value)
  }

  #madeUp(name: string): string {
    const [word = '', argument = ''] = name.split(/\s+|(?<=^\$env)\./)
    switch (word) {
      case '$guid':
      case '$uuid':
      case '$random.uuid':
        return crypto.randomUUID()
      case '$timestamp':
        return String(Math.floor(Date.now() / 1_000))
      case '$isoTimestamp':
        return new Date().toISOString()
      case '$env':
      case '$processEnv': {
        const value = this.#sources.environment[argument]
        if (value === undefined) throw unknown(name, `needs the variable ${argument} of the environment`)
        return value
      }
      default:
        throw unknown(name, 'is not known')
    }
  }
}

function unknown(name: string, problem: string): RyoFaasError {
  return new RyoFaasError('INVALID_OPTION', `{{${name}}} ${problem}`)
}
