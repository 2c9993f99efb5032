/**
 * Problems of functions in languages that only the agent checks (Go, Python), shown when their file is shown or saved, as
 * long as a platform runs. An edit takes them away: they are about what is saved.
 */
import type * as vscode from 'vscode'
import type { AgentClient } from 'ryo-faas/client'
import { RyoFaasError, type Problem } from 'ryo-faas/contract'
import type { Vscode } from '../editor/editor.ts'
import type { FoundEntry } from '../project/deploy-files.ts'
import { isFile } from '../project/open-file.ts'
import type { Rules } from './rules.ts'

export interface DeclaredDiagnosticsOptions {
  editor: Vscode
  projects: { load(): Promise<{ entriesOf(file: string): FoundEntry[] }> }
  rules: Pick<Rules, 'diagnosticOf'>
  /** The editor's names of them. */
  languages: readonly string[]
  /** @throws RyoFaasError NOT_RUNNING */
  client(): Promise<Pick<AgentClient, 'call'>>
  log(message: string): void
}

export class DeclaredDiagnostics {
  readonly #options: DeclaredDiagnosticsOptions
  readonly #collection: vscode.DiagnosticCollection
  readonly #disposables: vscode.Disposable[]
  /** What was checked, by file. */
  readonly #checked = new Map<string, number>()

  constructor(options: DeclaredDiagnosticsOptions) {
    this.#options = options
    const { workspace, window, languages } = options.editor
    this.#collection = languages.createDiagnosticCollection('ryo-faas functions')
    this.#disposables = [
      this.#collection,
      window.onDidChangeVisibleTextEditors(() => this.start()),
      workspace.onDidSaveTextDocument(document => void this.#check(document)),
      workspace.onDidChangeTextDocument(({ document }) => this.#forget(document)),
      workspace.onDidCloseTextDocument(document => this.#forget(document)),
    ]
  }

  start(): void {
    for (const { document } of this.#options.editor.window.visibleTextEditors) {
      if (this.#checked.get(document.uri.fsPath) !== document.version) void this.#check(document)
    }
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
  }

  #forget({ uri }: vscode.TextDocument): void {
    if (this.#checked.delete(uri.fsPath)) this.#collection.delete(uri)
  }

  async #check(document: vscode.TextDocument): Promise<void> {
    const { editor, projects, rules, languages, log } = this.#options
    const { uri, version, languageId } = document
    if (!languages.includes(languageId) || !isFile(uri) || document.isDirty) return
    // The agent runs compilers and pip with what the folder says.
    if (!editor.workspace.isTrusted) return
    const entries = (await projects.load()).entriesOf(uri.fsPath)
    if (entries.length === 0) return
    try {
      const problems = await this.#problemsOf(entries)
      if (document.isClosed || document.version !== version) return
      const own = problems.filter(({ file }) => file === uri.fsPath)
      this.#checked.set(uri.fsPath, version)
      this.#collection.set(
        uri,
        own.map(problem => rules.diagnosticOf(problem)),
      )
    } catch (error) {
      if (!(error instanceof RyoFaasError)) throw error
      // Without a platform nobody checks; what is wrong with deploy.json is shown there.
      if (error.code !== 'NOT_RUNNING' && error.code !== 'DEPLOY_FILE_INVALID') {
        log(`could not check ${uri.fsPath}: ${error.message}`)
      }
    }
  }

  async #problemsOf(entries: FoundEntry[]): Promise<Problem[]> {
    const client = await this.#options.client()
    const files = [...new Set(entries.map(({ deployFile }) => deployFile))]
    const checks = await Promise.all(
      files.map(file => {
        const only = entries.filter(({ deployFile }) => deployFile === file).map(({ name }) => name)
        return client.call('check', { body: { file, only } })
      }),
    )
    return checks.flatMap(({ problems }) => problems)
  }
}
