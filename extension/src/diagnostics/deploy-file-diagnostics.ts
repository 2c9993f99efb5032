/**
 * deploy.json, or what stands in for it, in the editor: paths to nothing, duplicate names, and the checker's verdict on every entry; links to the
 * files it names. Open files only. Violations of the schema are shown by the editor's JSON service.
 */
import type * as vscode from 'vscode'
import type { Analysis } from '../analysis/client.ts'
import { subjectOf } from '../analysis/handlers.ts'
import { watchSources } from '../analysis/watch-sources.ts'
import type { Vscode } from '../editor/editor.ts'
import { isDeployFile, type DeployFiles } from '../project/deploy-files.ts'
import { openFile } from '../project/open-file.ts'
import { isOfNode } from '../project/deploy-file.ts'
import type { Span } from '../project/settings-tree.ts'
import type { Rules } from './rules.ts'

const SETTLE_MS = 300

export interface DeployFileDiagnosticsOptions {
  editor: Vscode
  analysis: Analysis
  projects: DeployFiles
  rules: Rules
  log(message: string): void
}

export class DeployFileDiagnostics implements vscode.DocumentLinkProvider {
  readonly #options: DeployFileDiagnosticsOptions
  readonly #collection: vscode.DiagnosticCollection
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #disposables: vscode.Disposable[]
  /** Once a file is on screen. */
  #watch: vscode.Disposable | undefined

  constructor(options: DeployFileDiagnosticsOptions) {
    this.#options = options
    const { workspace, window, languages } = options.editor
    this.#collection = languages.createDiagnosticCollection('ryo-faas deploy.json')
    this.#disposables = [
      this.#collection,
      workspace.onDidChangeTextDocument(({ document }) => this.#later(document)),
      window.onDidChangeVisibleTextEditors(() => this.start()),
      workspace.onDidSaveTextDocument(() => this.start()),
      workspace.onDidCloseTextDocument(({ uri }) => this.#collection.delete(uri)),
    ]
  }

  start(): void {
    for (const { document } of this.#options.editor.window.visibleTextEditors) this.#later(document)
  }

  provideDocumentLinks(document: vscode.TextDocument): vscode.DocumentLink[] {
    const { editor, projects } = this.#options
    if (!isDeployFile(document)) return []
    return projects.modelOf(document).links.map(({ offset, length, target }) => {
      // Without the quotes.
      const range = rangeOf(editor, document, { offset: offset + 1, length: length - 2 })
      return new editor.DocumentLink(range, editor.Uri.file(target))
    })
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    for (const disposable of this.#disposables) disposable.dispose()
    this.#watch?.dispose()
  }

  #later(document: vscode.TextDocument): void {
    if (!isDeployFile(document)) return
    this.#watch ??= watchSources(this.#options.editor, 2 * SETTLE_MS, () => this.start())
    const { fsPath } = document.uri
    clearTimeout(this.#timers.get(fsPath))
    this.#timers.set(
      fsPath,
      setTimeout(() => void this.#check(document), SETTLE_MS),
    )
  }

  async #check(document: vscode.TextDocument): Promise<void> {
    const { editor, projects, analysis, rules, log } = this.#options
    const { version } = document
    const { problems, entries } = projects.modelOf(document)
    const found = problems.map(({ code, message, ...span }) =>
      this.#diagnostic(document, { message, span, rule: rules.codeOf(code) }),
    )
    try {
      for (const entry of entries.filter(isOfNode)) {
        const { filePath, nameSpan } = entry
        const text = openFile(editor, filePath)?.getText()
        const { verdicts } = await analysis.check(filePath, text, [subjectOf(entry)])
        const [verdict] = verdicts
        if (verdict?.kind !== 'rejected') continue
        for (const { problem } of verdict.findings.slice(0, 1)) {
          // The path itself was reported above.
          if (problem.code === 'missing-file') continue
          const { code, message, line, column } = problem
          const diagnostic = this.#diagnostic(document, { message, span: nameSpan, rule: rules.codeOf(code) })
          const place = new editor.Location(editor.Uri.file(problem.file), new editor.Position(line - 1, column - 1))
          diagnostic.relatedInformation = [new editor.DiagnosticRelatedInformation(place, 'the handler')]
          found.push(diagnostic)
        }
      }
    } catch (error) {
      log(`could not check ${document.uri.fsPath}: ${(error as Error).message}`)
    }
    if (!document.isClosed && document.version === version) this.#collection.set(document.uri, found)
  }

  #diagnostic(
    document: vscode.TextDocument,
    said: { message: string; span: Span; rule: vscode.Diagnostic['code'] },
  ): vscode.Diagnostic {
    const { editor } = this.#options
    const { Error } = editor.DiagnosticSeverity
    const diagnostic = new editor.Diagnostic(rangeOf(editor, document, said.span), said.message, Error)
    return Object.assign(diagnostic, { source: 'ryo-faas', code: said.rule })
  }
}

function rangeOf(editor: Vscode, document: vscode.TextDocument, { offset, length }: Span): vscode.Range {
  return new editor.Range(document.positionAt(offset), document.positionAt(offset + length))
}
