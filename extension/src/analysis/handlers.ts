/**
 * What is known of the handlers in open files. Invariants:
 *
 * 1. A file that names none of the types and is in no deploy.json is never looked at, and costs no worker. Nor is a
 *    file in another framework's project, unless there is a deploy.json above it, it imports our runtime, or a setting
 *    says so.
 * 2. An outline is returned within `PATIENCE_MS` if there ever was one; a late one is reported as a change.
 * 3. Verdicts on an older text are dropped; the last ones stay until there are new ones.
 * 4. While a text does not parse, handlers stay where they can be found, and no lens goes.
 * 5. A verdict is current only if nothing that it may depend on has changed since: the file's text, a deploy.json, or
 *    another file, saved here or written by others (its generation).
 */
import type * as vscode from 'vscode'
import type { Problem } from 'ryo-faas/contract'
import type { Vscode } from '../editor/editor.ts'
import { exportOf, isOfNode, type Entry } from '../project/deploy-file.ts'
import type { DeployFiles, FoundEntry } from '../project/deploy-files.ts'
import { isFile } from '../project/open-file.ts'
import type { Analysis } from './client.ts'
import type { Candidate, Subject, Verdict } from './protocol.ts'
import { mayHoldHandlers, Relevance } from './relevance.ts'
import { packageFolder } from './package-folder.ts'
import { SOURCES, watchSources } from './watch-sources.ts'

const PATIENCE_MS = 8

/** A handler in a file. */
export interface Site {
  /** The deployment's: that of the entry, or of the export. */
  name: string
  candidate: Candidate
  entry: FoundEntry | undefined
  /** The last one on a text that parsed. */
  verdict: Verdict | undefined
}

interface FileState {
  candidates: Candidate[]
  /** Version of the text that was outlined last; -1 before. */
  outlined: number
  verdicts: Map<string, { subject: Subject; verdict: Verdict }>
  /** By the subject's name, the last ones on a text that parsed. */
  judged: Map<string, Verdict>
  /** Version of the text that was checked last. */
  checked: number
  /** In which this check began. */
  generation: number
  timer: NodeJS.Timeout | undefined
  isChecking: boolean
}

export interface HandlersOptions {
  editor: Vscode
  analysis: Pick<Analysis, 'check' | 'forget' | 'outline'>
  projects: DeployFiles
  /** From the last key press to the check. */
  delayMs(): number
  /** Also in projects of other frameworks. */
  isEverywhere(): boolean
  log(message: string): void
}

export class Handlers {
  readonly #options: HandlersOptions
  /** By address: a file's `git:` document has the same path. */
  readonly #files = new Map<string, FileState>()
  readonly #changed: vscode.EventEmitter<vscode.TextDocument>
  readonly #relevance: Relevance
  readonly #disposables: vscode.Disposable[]
  /** Counts changes of what verdicts may depend on, other than the file's own text. */
  #generation = 0
  /** Once there was something to check. */
  #watch: vscode.Disposable | undefined

  constructor(options: HandlersOptions) {
    this.#options = options
    this.#relevance = new Relevance(options)
    const { editor, projects } = options
    this.#changed = new editor.EventEmitter()
    this.#disposables = [
      this.#changed,
      editor.workspace.onDidChangeTextDocument(({ document }) => this.#checkLater(document)),
      editor.workspace.onDidCloseTextDocument(document => this.#forget(document)),
      editor.window.onDidChangeVisibleTextEditors(() => this.#checkVisible()),
      editor.workspace.onDidSaveTextDocument(({ uri }) => {
        if (isFile(uri) && SOURCES.test(uri.fsPath)) this.#checkAgain()
      }),
      projects.onDidChange(() => {
        this.#checkAgain()
        // Lenses depend on the entries without a check.
        for (const document of this.#open()) this.#changed.fire(document)
      }),
    ]
  }

  /** Fires with the document whose outline or verdicts are new. */
  get onDidChange(): vscode.Event<vscode.TextDocument> {
    return this.#changed.event
  }

  isRelevant(document: vscode.TextDocument): boolean {
    return this.#relevance.isRelevant(document)
  }

  /** The handlers that get a lens. */
  async lensSites(document: vscode.TextDocument): Promise<Site[]> {
    const sites = await this.sites(document)
    return sites.filter(({ entry, verdict, candidate }) => {
      if (entry) return true
      return verdict ? verdict.kind === 'accepted' : candidate.likeness === 'handler'
    })
  }

  /** Everything that might be a handler. */
  async sites(document: vscode.TextDocument): Promise<Site[]> {
    if (!this.isRelevant(document)) return []
    const state = await this.#outlined(document)
    return this.#sitesOf(document, state)
  }

  /** What the checker said last, and whether that was on the text as it is now. */
  verdicts(document: vscode.TextDocument): { isCurrent: boolean; all: { subject: Subject; verdict: Verdict }[] } {
    const state = this.#files.get(document.uri.toString())
    return { isCurrent: state?.checked === document.version, all: [...(state?.verdicts.values() ?? [])] }
  }

  /** What keeps an export from being a handler, as the text is now; empty if nothing does. */
  async problemsOf(document: vscode.TextDocument, { name, candidate }: Site): Promise<Problem[]> {
    const subject = { name, kind: candidate.kind, packageDir: this.packageDirOf(document.uri) }
    const { verdicts } = await this.#options.analysis.check(document.uri.fsPath, document.getText(), [subject])
    return verdicts
      .flatMap(verdict => (verdict.kind === 'rejected' ? verdict.findings : []))
      .map(found => found.problem)
  }

  /** Checks what is on screen; called once things are set up. */
  start(): void {
    this.#checkVisible()
  }

  dispose(): void {
    for (const state of this.#files.values()) clearTimeout(state.timer)
    for (const disposable of this.#disposables) disposable.dispose()
    this.#watch?.dispose()
  }

  #stateOf(document: vscode.TextDocument): FileState {
    const known = this.#files.get(document.uri.toString())
    if (known) return known
    const state: FileState = {
      candidates: [],
      outlined: -1,
      verdicts: new Map(),
      judged: new Map(),
      checked: -1,
      generation: -1,
      timer: undefined,
      isChecking: false,
    }
    this.#files.set(document.uri.toString(), state)
    return state
  }

  async #outlined(document: vscode.TextDocument): Promise<FileState> {
    const state = this.#stateOf(document)
    if (state.outlined === document.version) return state
    const asked = this.#outline(document, state)
    if (state.outlined < 0) await asked
    else {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>(resolve => (timer = setTimeout(() => resolve('late'), PATIENCE_MS)))
      const first = await Promise.race([asked, late])
      clearTimeout(timer)
      if (first === 'late') void asked.then(() => this.#changed.fire(document))
    }
    return state
  }

  async #outline(document: vscode.TextDocument, state: FileState): Promise<void> {
    const { version } = document
    try {
      const { candidates, isWhole } = await this.#options.analysis.outline(document.uri.fsPath, document.getText())
      if (version < state.outlined) return
      state.candidates = isWhole || state.outlined < 0 ? candidates : moved(state.candidates, candidates)
      state.outlined = version
    } catch (error) {
      this.#options.log(`could not outline ${document.uri.fsPath}: ${(error as Error).message}`)
    }
  }

  #sitesOf(document: vscode.TextDocument, state: FileState): Site[] {
    const entries = this.#entriesOf(document.uri.fsPath)
    const isNamed = (found: Entry) => state.candidates.some(({ name }) => name === exportOf(found))
    return state.candidates.map(candidate => {
      const entry =
        entries.find(found => exportOf(found) === candidate.name) ??
        (candidate.isStandard ? entries.find(found => !isNamed(found)) : undefined)
      const name = entry?.name ?? candidate.name
      return { name, candidate, entry, verdict: state.judged.get(name) }
    })
  }

  #checkVisible(): void {
    for (const { document } of this.#options.editor.window.visibleTextEditors) {
      const state = this.#files.get(document.uri.toString())
      if (!state || !this.#isCurrent(document, state)) this.#checkLater(document)
    }
  }

  #isCurrent(document: vscode.TextDocument, { checked, generation }: FileState): boolean {
    return checked === document.version && generation === this.#generation
  }

  /** Something that a verdict may depend on has changed. */
  #checkAgain(): void {
    this.#generation++
    this.#relevance.forget()
    for (const document of this.#open()) this.#checkLater(document)
  }

  /** On screen, or with verdicts that the list of problems shows. */
  #open(): vscode.TextDocument[] {
    const { window, workspace } = this.#options.editor
    const visible = new Set(window.visibleTextEditors.map(({ document }) => document))
    return workspace.textDocuments.filter(
      document =>
        mayHoldHandlers(document) &&
        (visible.has(document) || (this.#files.get(document.uri.toString())?.checked ?? -1) >= 0),
    )
  }

  #checkLater(document: vscode.TextDocument): void {
    if (!this.isRelevant(document)) return
    const state = this.#stateOf(document)
    clearTimeout(state.timer)
    state.timer = setTimeout(() => void this.#check(document, state), this.#options.delayMs())
  }

  async #check(document: vscode.TextDocument, state: FileState): Promise<void> {
    if (state.isChecking || document.isClosed) return
    state.isChecking = true
    // Less often than checks begin: they would be put off forever.
    const everyMs = 2 * this.#options.delayMs() + 200
    this.#watch ??= watchSources(this.#options.editor, everyMs, () => this.#checkAgain())
    const { version } = document
    const generation = this.#generation
    try {
      await this.#outlined(document)
      const subjects = this.#subjectsOf(document, state)
      const text = document.getText()
      const { verdicts } = await this.#options.analysis.check(document.uri.fsPath, text, subjects)
      if (document.version !== version || document.isClosed) return
      state.verdicts = new Map(subjects.map((subject, index) => [subject.name, { subject, verdict: verdicts[index]! }]))
      const judged = subjects.map(({ name }, index): [string, Verdict | undefined] => {
        const verdict = verdicts[index]!
        return [name, isOfHalfWritten(verdict) ? state.judged.get(name) : verdict]
      })
      state.judged = new Map(judged.filter((pair): pair is [string, Verdict] => pair[1] !== undefined))
      state.checked = version
      state.generation = generation
      this.#changed.fire(document)
    } catch (error) {
      this.#options.log(`could not check ${document.uri.fsPath}: ${(error as Error).message}`)
    } finally {
      state.isChecking = false
      // Whether this check succeeded or not: a failed one is not repeated for its own sake.
      const isOutdated = document.version !== version || this.#generation !== generation
      if (isOutdated && !document.isClosed) this.#checkLater(document)
    }
  }

  #subjectsOf(document: vscode.TextDocument, state: FileState): Subject[] {
    const file = document.uri.fsPath
    const packageDir = this.packageDirOf(document.uri)
    const others = this.#sitesOf(document, state)
      .filter(({ entry, candidate: { likeness } }) => likeness !== 'none' && !entry)
      .map(({ candidate }) => candidate)
    return [...this.#entriesOf(file).map(subjectOf), ...others.map(({ name, kind }) => ({ name, kind, packageDir }))]
  }

  /** An entry in another language is checked by its deploy only. */
  #entriesOf(file: string): FoundEntry[] {
    return this.#options.projects.entriesOf(file).filter(isOfNode)
  }

  /** The package to bundle, within the workspace. */
  packageDirOf(uri: vscode.Uri): string {
    return packageFolder(uri.fsPath, this.#options.editor.workspace.getWorkspaceFolder(uri)?.uri.fsPath)
  }

  #forget(document: vscode.TextDocument): void {
    const address = document.uri.toString()
    const state = this.#files.get(address)
    if (!state) return
    clearTimeout(state.timer)
    this.#files.delete(address)
    this.#options.analysis.forget(document.uri.fsPath)
    this.#changed.fire(document)
  }
}

export function subjectOf({ name, kind, packageDir, export: exported }: Entry): Subject {
  return { name, kind, packageDir, ...(exported !== undefined && { export: exported }) }
}

/** What was known, where it is now as far as can be seen. */
function moved(known: Candidate[], seen: Candidate[]): Candidate[] {
  const places = new Map(seen.map(({ name, range, extent }) => [name, { range, extent }]))
  return known.map(candidate => ({ ...candidate, ...places.get(candidate.name) }))
}

function isOfHalfWritten(verdict: Verdict): boolean {
  return verdict.kind === 'rejected' && verdict.findings.every(({ problem }) => problem.code === 'syntax-error')
}
