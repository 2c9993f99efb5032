/** Code lenses above handlers and above the entries of deploy.json. */
import type * as vscode from 'vscode'
import type { Handlers } from '../analysis/handlers.ts'
import type { Deploys } from '../agent/deploys.ts'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Vscode } from '../editor/editor.ts'
import { toRange } from '../editor/range.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import { isDeployFile } from '../project/deploy-files.ts'
import { DECLARED_LANGUAGES, declaredIn } from './declared.ts'
import { lensesOf, type LensSubject } from './lens-model.ts'

export interface LensOptions {
  editor: Vscode
  handlers: Handlers
  projects: DeployFiles
  link: PlatformLink
  deploys: Deploys
}

export class HandlerLenses implements vscode.CodeLensProvider {
  readonly onDidChangeCodeLenses: vscode.Event<void>
  readonly #options: LensOptions
  readonly #changed: vscode.EventEmitter<void>
  readonly #disposables: vscode.Disposable[]

  constructor(options: LensOptions) {
    this.#options = options
    this.#changed = new options.editor.EventEmitter()
    this.onDidChangeCodeLenses = this.#changed.event
    const change = () => this.#changed.fire()
    this.#disposables = [
      this.#changed,
      options.handlers.onDidChange(change),
      options.projects.onDidChange(change),
      options.link.onChange(change),
      options.deploys.onChange(change),
    ]
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const { handlers, projects, link } = this.#options
    await projects.load()
    if (isDeployFile(document)) return this.#ofDeployFile(document)
    if (DECLARED_LANGUAGES.includes(document.languageId)) return this.#ofDeclared(document)
    const sites = await handlers.lensSites(document)
    // With a handler on screen, its state matters.
    if (sites.length > 0) link.follow()
    return sites.flatMap(({ name, candidate: { range }, verdict }) => {
      const dialect = verdict?.kind === 'accepted' ? verdict.dialect : undefined
      return this.#lenses(toRange(this.#options.editor, range), { name, file: document.uri.fsPath, dialect })
    })
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
  }

  #ofDeclared(document: vscode.TextDocument): vscode.CodeLens[] {
    const { editor, projects, link } = this.#options
    const file = document.uri.fsPath
    const text = document.getText()
    const declared = declaredIn({ languageId: document.languageId, text }, projects.entriesOf(file))
    if (declared.length > 0) link.follow()
    return declared.flatMap(({ name, offset }) => {
      const at = document.positionAt(offset)
      return this.#lenses(new editor.Range(at, at), { name, file })
    })
  }

  #ofDeployFile(document: vscode.TextDocument): vscode.CodeLens[] {
    const { editor, projects, link } = this.#options
    const { entries } = projects.modelOf(document)
    if (entries.length === 0) return []
    link.follow()
    const first = new editor.Range(0, 0, 0, 0)
    const all = new editor.CodeLens(first, {
      title: '▶ Deploy all',
      command: 'ryo-faas.deployFile',
      tooltip: `Deploy the ${entries.length} functions of this file`,
      arguments: [document.uri],
    })
    const each = entries.flatMap(({ name, filePath, span: { offset } }) => {
      const at = document.positionAt(offset)
      return this.#lenses(new editor.Range(at, at), { name, file: filePath })
    })
    return [all, ...each]
  }

  #lenses(range: vscode.Range, subject: LensSubject): vscode.CodeLens[] {
    const { editor, link, deploys } = this.#options
    const state = {
      deployment: link.deployment(subject.name),
      activity: deploys.activityOf(subject.name),
      failure: deploys.failureOf(subject.name),
      isAway: link.state.kind === 'away',
      server: link.server,
    }
    return lensesOf(subject, state).map(
      ({ title, command, tooltip }) =>
        new editor.CodeLens(range, {
          title,
          command,
          tooltip,
          arguments: [{ name: subject.name, file: subject.file }],
        }),
    )
  }
}
