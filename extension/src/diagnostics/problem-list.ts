/** What the last deploy found wrong, in files that need not be open. Cleared by the next deploy or edit. */
import type * as vscode from 'vscode'
import type { Problem } from 'ryo-faas/contract'
import type { Vscode } from '../editor/editor.ts'
import { isFile } from '../project/open-file.ts'
import type { Rules } from './rules.ts'

/** Codes that the live check shows as well. */
const LIVE = /^(?:is-|not-|no-|wrong-|type-|unresolved-type|syntax|missing-|path-outside|duplicate-name)/

export class ProblemList {
  readonly #editor: Vscode
  readonly #rules: Rules
  readonly #collection: vscode.DiagnosticCollection
  readonly #disposables: vscode.Disposable[]

  constructor(editor: Vscode, rules: Rules) {
    this.#editor = editor
    this.#rules = rules
    this.#collection = editor.languages.createDiagnosticCollection('ryo-faas deploy')
    this.#disposables = [
      this.#collection,
      editor.workspace.onDidChangeTextDocument(({ document: { uri } }) => this.#collection.delete(uri)),
    ]
  }

  show(problems: readonly Problem[]): void {
    this.#collection.clear()
    const visible = this.#editor.window.visibleTextEditors.map(({ document }) => document.uri)
    const open = new Set(visible.filter(isFile).map(({ fsPath }) => fsPath))
    const byFile = new Map<string, Problem[]>()
    for (const problem of problems) {
      if (open.has(problem.file) && (LIVE.test(problem.code) || this.#isReported(problem))) continue
      byFile.set(problem.file, [...(byFile.get(problem.file) ?? []), problem])
    }
    for (const [file, own] of byFile) {
      const diagnostics = own.map(problem => this.#rules.diagnosticOf(problem))
      this.#collection.set(this.#editor.Uri.file(file), diagnostics)
    }
  }

  /** Whether the language's own service reports it: an unresolved import. */
  #isReported({ code, file, line }: Problem): boolean {
    const said = this.#editor.languages.getDiagnostics(this.#editor.Uri.file(file))
    return code === 'build' && said.some(({ source, range }) => source === 'ts' && range.start.line === line - 1)
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
  }
}
