/** The user's settings, read when they are needed. */
import { homeFrom } from 'ryo-faas/client'
import { isAbsolute, join } from 'node:path'
import { homedir } from 'node:os'
import type { Vscode } from './editor.ts'

/** Of the values of `ryo-faas.engine`, the one for machines that have no Docker. */
export const ENGINE_WITHOUT_CONTAINERS = 'process'

export class Settings {
  readonly #editor: Vscode

  constructor(editor: Vscode) {
    this.#editor = editor
  }

  get hasLenses(): boolean {
    return this.#get('codeLens.enabled', true)
  }

  /** Lenses also in projects of other web frameworks. */
  get isEverywhere(): boolean {
    return this.#get('codeLens.inOtherFrameworks', false)
  }

  get hasChecks(): boolean {
    return this.#get('checks.enabled', true)
  }

  get checkDelayMs(): number {
    return this.#get('checks.delayMs', 150)
  }

  get hasStatusBar(): boolean {
    return this.#get('statusBar.enabled', true)
  }

  /** That deploys are for; undefined: none in particular. */
  get environment(): string | undefined {
    return this.#get('environment', '').trim() || undefined
  }

  /** The folder of the platform: from the setting, the environment, or `~/.ryo-faas`. */
  home(environment: NodeJS.ProcessEnv): string {
    return this.#path('home') ?? homeFrom(environment)
  }

  get agent() {
    const engine = this.#get('engine', 'auto')
    const startOptions = this.#get<Record<string, unknown>>('startOptions', {})
    return {
      cliPath: this.#path('cliPath'),
      nodePath: this.#path('nodePath'),
      startOptions: engine === 'auto' ? startOptions : { ...startOptions, engine },
    }
  }

  #get<T>(name: string, otherwise: T): T {
    return this.#editor.workspace.getConfiguration('ryo-faas').get<T>(name, otherwise)
  }

  /** Relative paths start at the first folder of the workspace. */
  #path(name: string): string | undefined {
    const text = this.#get(name, '').trim()
    if (text === '') return undefined
    if (text.startsWith('~/')) return join(homedir(), text.slice(2))
    const [folder] = this.#editor.workspace.workspaceFolders ?? []
    return isAbsolute(text) || !folder ? text : join(folder.uri.fsPath, text)
  }
}
