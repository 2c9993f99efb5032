/** Problems of handlers that are in deploy.json, shown in the open file and with quick fixes. */
import { basename } from 'node:path'
import type * as vscode from 'vscode'
import { DEPLOY_FILE } from '@ryo-faas/runtime/protocol'
import type { Handlers } from '../analysis/handlers.ts'
import type { Fix } from '../analysis/protocol.ts'
import { toRange } from '../editor/range.ts'
import type { Vscode } from '../editor/editor.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import type { Rules } from './rules.ts'

export interface DiagnosticsOptions {
  editor: Vscode
  handlers: Handlers
  projects: DeployFiles
  rules: Rules
}

interface Shown {
  diagnostic: vscode.Diagnostic
  fixes: Fix[]
  /** Name of the entry. */
  name: string
}

export class HandlerDiagnostics implements vscode.CodeActionProvider {
  readonly #options: DiagnosticsOptions
  readonly #collection: vscode.DiagnosticCollection
  /** By address: a file's `git:` document has the same path. */
  readonly #shown = new Map<string, Shown[]>()
  readonly #disposables: vscode.Disposable[]

  constructor(options: DiagnosticsOptions) {
    this.#options = options
    const { editor, handlers } = options
    this.#collection = editor.languages.createDiagnosticCollection('ryo-faas')
    this.#disposables = [
      this.#collection,
      handlers.onDidChange(document => this.#show(document)),
      editor.workspace.onDidCloseTextDocument(({ uri }) => {
        this.#shown.delete(uri.toString())
        this.#collection.delete(uri)
      }),
    ]
  }

  async provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    context: vscode.CodeActionContext,
  ): Promise<vscode.CodeAction[]> {
    const { handlers } = this.#options
    const near = (this.#shown.get(document.uri.toString()) ?? []).filter(({ diagnostic }) =>
      diagnostic.range.intersection(range),
    )
    // Places in an older text would be wrong.
    const fixes = handlers.verdicts(document).isCurrent ? near.flatMap(shown => this.#actions(document, shown)) : []
    return [...fixes, ...(await this.#adding(document, range, context))]
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
  }

  #show(document: vscode.TextDocument): void {
    const { handlers, projects, rules } = this.#options
    if (document.isClosed) return
    const file = document.uri.fsPath
    const { all, isCurrent } = handlers.verdicts(document)
    if (!isCurrent) return
    const shown = all.flatMap(({ subject, verdict }): Shown[] => {
      if (verdict.kind === 'accepted' || !projects.entryOf(file, subject.name)) return []
      return (
        verdict.findings
          // The language's own service reports those already.
          .filter(({ problem }) => problem.code !== 'syntax-error')
          .map(({ problem, fixes }) => ({
            diagnostic: rules.diagnosticOf(problem),
            fixes,
            name: subject.name,
          }))
      )
    })
    this.#shown.set(document.uri.toString(), shown)
    this.#collection.set(
      document.uri,
      shown.map(({ diagnostic }) => diagnostic),
    )
  }

  #actions(document: vscode.TextDocument, { diagnostic, fixes, name }: Shown): vscode.CodeAction[] {
    const { editor } = this.#options
    return fixes.flatMap(fix => {
      const edit = new editor.WorkspaceEdit()
      switch (fix.kind) {
        case 'edit':
          for (const { range, text } of fix.edits) edit.replace(document.uri, toRange(editor, range), text)
          break
        case 'rename-entry':
          if (!this.#renameEntry(edit, { file: document.uri.fsPath, name, newName: fix.newName })) return []
      }
      const action = new editor.CodeAction(fix.title, editor.CodeActionKind.QuickFix)
      return [Object.assign(action, { edit, diagnostics: [diagnostic], isPreferred: fix.isPreferred })]
    })
  }

  #renameEntry(edit: vscode.WorkspaceEdit, entry: { file: string; name: string; newName: string }): boolean {
    const { editor, projects } = this.#options
    const found = projects.entryOf(entry.file, entry.name)
    const range = found && projects.rangeOf(found.deployFile, found.nameSpan)
    if (!found || !range) return false
    edit.replace(editor.Uri.file(found.deployFile), toRange(editor, range), JSON.stringify(entry.newName))
    return true
  }

  /** For a handler that is not in a deploy.json yet. */
  async #adding(
    document: vscode.TextDocument,
    range: vscode.Range,
    { only }: vscode.CodeActionContext,
  ): Promise<vscode.CodeAction[]> {
    const { editor, handlers, projects } = this.#options
    if (only && !only.contains(editor.CodeActionKind.QuickFix)) return []
    const sites = await handlers.lensSites(document)
    const here = sites.filter(({ entry, candidate }) => !entry && candidate.range.start.line === range.start.line)
    const deployFile = basename(projects.nearest(document.uri.fsPath) ?? DEPLOY_FILE)
    return here.map(({ name }) => {
      const title = `Add "${name}" to ${deployFile}`
      const action = new editor.CodeAction(title, editor.CodeActionKind.QuickFix)
      const target = { name, file: document.uri.fsPath }
      return Object.assign(action, { command: { title, command: 'ryo-faas.addToDeployFile', arguments: [target] } })
    })
  }
}
