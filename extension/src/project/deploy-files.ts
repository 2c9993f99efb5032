/**
 * Every deploy.json in the workspace, or what stands in for it, as the editor has it. Found at the first question and
 * followed from then on; a file that does not parse at the moment keeps its last entries.
 */
import { basename, dirname, relative, sep } from 'node:path'
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'
import type { Range } from '../editor/range.ts'
import { isFile, openFile } from './open-file.ts'
import { watchWholeFolders } from './watch-whole-folders.ts'
import { placeIn, readDeployFile, type DeployFileModel, type Entry } from './deploy-file.ts'
import { withEntry, type NewEntry, type WithEntry } from './new-entry.ts'
import {
  DEPLOY_FILE_NAMES,
  isModule,
  isPackageFile,
  mentionsField,
  type ReadModule,
  type Span,
} from './settings-tree.ts'

export const DEPLOY_FILE_PATTERN = `**/{${DEPLOY_FILE_NAMES.join(',')}}`
const NOT_IN = '**/{node_modules,.ryo-faas,dist,out}/**'

export interface FoundEntry extends Entry {
  deployFile: string
}

/** The files once they were found: for code that would be wrong before. */
export type LoadedFiles = DeployFiles & { readonly isLoaded: true }

export class DeployFiles {
  readonly #editor: Vscode
  readonly #models = new Map<string, DeployFileModel>()
  readonly #texts = new Map<string, string>()
  readonly #changed: vscode.EventEmitter<string>
  readonly #disposables: vscode.Disposable[] = []
  #readModule: ReadModule | undefined
  #loaded: Promise<void> | undefined
  #isLoaded = false
  #writing: Promise<unknown> = Promise.resolve()

  constructor(editor: Vscode) {
    this.#editor = editor
    this.#changed = new editor.EventEmitter()
    this.#disposables.push(this.#changed)
  }

  /** Fires with the path of a file that was created, changed or deleted. */
  get onDidChange(): vscode.Event<string> {
    return this.#changed.event
  }

  /** The first call searches; later ones return at once. */
  async load(): Promise<LoadedFiles> {
    await (this.#loaded ??= this.#load())
    return this as LoadedFiles
  }

  /** False before the first search. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  get all(): DeployFileModel[] {
    return [...this.#models.values()]
  }

  /** The model of a file, also outside of the workspace if it is open. */
  modelOf(document: vscode.TextDocument): DeployFileModel {
    return this.#models.get(document.uri.fsPath) ?? this.#parse(document.uri.fsPath, document.getText())
  }

  /** Entries for a module. If several files name the same function, the nearest file counts. */
  entriesOf(filePath: string): FoundEntry[] {
    const found = new Map<string, FoundEntry>()
    const nearestFirst = this.all.sort(
      (a, b) => distance(a.file, filePath) - distance(b.file, filePath) || byRank(a, b),
    )
    for (const { file, entries } of nearestFirst) {
      for (const entry of entries) {
        if (entry.filePath === filePath && !found.has(entry.name)) found.set(entry.name, { ...entry, deployFile: file })
      }
    }
    return [...found.values()]
  }

  entryOf(filePath: string, name: string): FoundEntry | undefined {
    return this.entriesOf(filePath).find(entry => entry.name === name)
  }

  /** Whether a deploy.json of ours is above a module. */
  covers(filePath: string): boolean {
    return this.all.some(({ file, isOurs }) => isOurs && filePath.startsWith(dirname(file) + sep))
  }

  /** The file that a new entry for this module belongs in: the nearest one above it. */
  nearest(filePath: string): string | undefined {
    const above = this.all.filter(({ file }) => filePath.startsWith(dirname(file) + sep))
    const depth = ({ file }: DeployFileModel) => dirname(file).length
    return above.sort((a, b) => depth(b) - depth(a) || byRank(a, b))[0]?.file
  }

  /** @throws RyoFaasError DEPLOY_FILE_INVALID as `withEntry` */
  async withEntry(file: string, text: string | undefined, entry: NewEntry): Promise<WithEntry> {
    await this.#prepare(file)
    return withEntry({ file, text, readModule: this.#readModule }, entry)
  }

  /** Reads a file that was just written, before the watcher reports it. */
  async reread(uri: vscode.Uri): Promise<void> {
    await this.#read(uri)
  }

  /** One after another: of two quick clicks, the second one finds its entry. */
  inTurn<T>(write: () => Promise<T>): Promise<T> {
    const written = this.#writing.then(write)
    this.#writing = written.catch(() => undefined)
    return written
  }

  /** Lines and characters of a place in a file. */
  rangeOf(file: string, span: Span): Range | undefined {
    const text = this.#texts.get(file)
    return text === undefined ? undefined : placeIn(text, span)
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
  }

  async #load(): Promise<void> {
    const { workspace } = this.#editor
    const watcher = workspace.createFileSystemWatcher(DEPLOY_FILE_PATTERN, false, false, true)
    const read = (uri: vscode.Uri) => void this.#read(uri)
    this.#disposables.push(
      watcher,
      watcher.onDidCreate(read),
      watcher.onDidChange(read),
      watchWholeFolders(this.#editor, {
        onCame: () => void this.#find(),
        onGone: path => this.#dropBelow(path),
      }),
      workspace.onDidChangeTextDocument(({ document }) => this.#follow(document)),
      // Unsaved changes are gone with the document.
      workspace.onDidCloseTextDocument(({ uri }) => {
        if (isFile(uri) && this.#models.has(uri.fsPath)) void this.#read(uri)
      }),
      workspace.onDidChangeWorkspaceFolders(() => void this.#find()),
    )
    await this.#find()
    this.#isLoaded = true
    this.#changed.fire('')
  }

  async #find(): Promise<void> {
    // Changes reported during the search may be missing in its answer.
    const known = [...this.#models.keys()]
    const uris = await this.#editor.workspace.findFiles(DEPLOY_FILE_PATTERN, NOT_IN)
    const found = new Set(uris.map(({ fsPath }) => fsPath))
    for (const file of known) if (!found.has(file)) this.#drop(file)
    await Promise.all(uris.map(uri => this.#read(uri)))
  }

  async #read(uri: vscode.Uri): Promise<void> {
    if (/[\\/]node_modules[\\/]/.test(uri.fsPath)) return
    const saved = await this.#editor.workspace.fs.readFile(uri).then(
      bytes => new TextDecoder().decode(bytes),
      () => undefined, // It was deleted in the meantime.
    )
    await this.#prepare(uri.fsPath)
    // Afterwards: it may have been edited during the read.
    const text = this.#unsaved(uri) ?? saved
    if (text === undefined) this.#drop(uri.fsPath)
    else this.#set(uri.fsPath, text)
  }

  #unsaved({ fsPath }: vscode.Uri): string | undefined {
    const open = openFile(this.#editor, fsPath)
    return open?.isDirty ? open.getText() : undefined
  }

  /** Also if it is clean again: it was saved or reverted. */
  #follow(document: vscode.TextDocument): void {
    const file = document.uri.fsPath
    if (!isFile(document.uri) || !(this.#models.has(file) || (isDeployFile(document) && document.isDirty))) return
    const text = document.getText()
    // The editor also fires when only `isDirty` changed.
    if (text !== this.#texts.get(file)) this.#set(file, text)
  }

  /** The parser of modules is loaded for the first one. */
  async #prepare(file: string): Promise<void> {
    if (isModule(file))
      this.#readModule ??= (await import(/* webpackChunkName: "config-tree" */ 'ryo-faas/config-tree')).configTree
  }

  #parse(file: string, text: string): DeployFileModel {
    return readDeployFile(file, text, this.#readModule)
  }

  #set(file: string, text: string): void {
    // Nearly every package.json is none of ours.
    if (isPackageFile(file) && !mentionsField(text)) return this.#drop(file)
    const model = this.#parse(file, text)
    if (isPackageFile(file) && model.isWhole && !model.hasSettings) return this.#drop(file)
    const before = this.#models.get(file)
    if (!model.isWhole && before) model.entries = moved(before.entries, model.entries)
    this.#models.set(file, model)
    this.#texts.set(file, text)
    this.#changed.fire(file)
  }

  #dropBelow(path: string): void {
    for (const file of this.#models.keys()) if (file === path || file.startsWith(path + sep)) this.#drop(file)
  }

  #drop(file: string): void {
    this.#texts.delete(file)
    if (this.#models.delete(file)) this.#changed.fire(file)
  }
}

export function isDeployFile(document: Pick<vscode.TextDocument, 'uri' | 'getText'>): boolean {
  const { uri } = document
  if (!isFile(uri) || !DEPLOY_FILE_NAMES.includes(basename(uri.fsPath))) return false
  return !isPackageFile(uri.fsPath) || mentionsField(document.getText())
}

/** Of one folder, another tool's file counts last. */
function byRank(a: DeployFileModel, b: DeployFileModel): number {
  const rank = ({ file, isOurs }: DeployFileModel) => DEPLOY_FILE_NAMES.indexOf(basename(file)) + (isOurs ? 0 : 100)
  return rank(a) - rank(b)
}

/** Steps between two places in the folder tree. */
function distance(from: string, to: string): number {
  return relative(dirname(from), dirname(to)).split(sep).length
}

/** The entries of a text that parsed, where they are now as far as can be seen. */
function moved(known: Entry[], seen: Entry[]): Entry[] {
  return known.map(entry => {
    const now = seen.find(({ name, filePath }) => name === entry.name && filePath === entry.filePath)
    return now ? { ...entry, span: now.span, nameSpan: now.nameSpan, fileSpan: now.fileSpan } : entry
  })
}
