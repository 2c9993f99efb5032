/**
 * Documents of the store as files: `ryo-store:/<table>/<id>.json` holds the document's data; on a server it is
 * `ryo-store://<server>/…`. Invariants:
 *
 * 1. A save succeeds only over the version that was shown; otherwise nothing is written and both sides are offered.
 * 2. With `?stored` it is the document as it is stored now, for comparing; that cannot be written.
 */
import type * as vscode from 'vscode'
import { type Door, StoreFailure, type StoredDocument } from 'ryo-faas/client'
import type { Vscode } from '../editor/editor.ts'
import type { Ui } from '../editor/ui.ts'
import { deleteDocument, documentsOf, getDocument, putDocument, storeClient, type DocumentPlace } from './documents.ts'

export const STORE_SCHEME = 'ryo-store'
const MOST_LISTED = 1_000
/**
 * Always the same: the editor would take another size for a conflict of its own, and offer to overwrite a version that
 * was never shown.
 */
const SIZE = 1
const NOT_JSON = 'not valid JSON; nothing was saved'

export interface StoreFilesOptions {
  editor: Vscode
  ui: Pick<Ui, 'warn'>
  /** The store's; undefined while it is not running. */
  door(): Door | undefined
  /** That it is on; undefined: this machine. */
  server(): string | undefined
}

export class StoreFiles implements vscode.FileSystemProvider {
  readonly onDidChangeFile: vscode.Event<vscode.FileChangeEvent[]>
  readonly #options: StoreFilesOptions
  readonly #changed: vscode.EventEmitter<vscode.FileChangeEvent[]>
  /** The versions that the editor shows. */
  readonly #versions = new Map<string, number>()
  /** What was read last. The editor does not show it if the user typed in the meantime. */
  readonly #read = new Map<string, { version: number; text: string }>()
  readonly #following: vscode.Disposable

  constructor(options: StoreFilesOptions) {
    this.#options = options
    this.#changed = new options.editor.EventEmitter()
    this.onDidChangeFile = this.#changed.event
    // The editor also fires when a document is no longer dirty.
    this.#following = options.editor.workspace.onDidChangeTextDocument(({ document }) => this.#takeOver(document))
  }

  dispose(): void {
    this.#following.dispose()
    this.#changed.dispose()
  }

  uriOf({ table, id }: DocumentPlace): vscode.Uri {
    const path = `/${segmentOf(table)}/${segmentOf(id)}.json`
    return this.#options.editor.Uri.from({ scheme: STORE_SCHEME, authority: this.#options.server() ?? '', path })
  }

  /** If the document is open. */
  versionOf(uri: Place): number | undefined {
    return this.#versions.get(keyOf(uri))
  }

  /**
   * A document that was opened on one machine is never taken for one of another.
   * @throws Unavailable
   */
  mustBeOfChosen({ authority }: Pick<vscode.Uri, 'authority'>): void {
    const { editor, server } = this.#options
    if (authority === (server() ?? '')) return
    const owner = authority === '' ? 'of this machine' : `of the server ${authority}`
    throw editor.FileSystemError.Unavailable(`it is ${owner}, and another one is chosen`)
  }

  /** The store was written to; what is open and unchanged is read again. */
  notice(places: DocumentPlace[] | undefined): void {
    const { workspace, FileChangeType } = this.#options.editor
    const named = places && new Set(places.map(place => keyOf(this.uriOf(place))))
    const open = workspace.textDocuments.filter(
      ({ uri }) => uri.scheme === STORE_SCHEME && (named?.has(keyOf(uri)) ?? true),
    )
    this.#changed.fire(open.map(({ uri }) => ({ type: FileChangeType.Changed, uri })))
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const { FileType, FilePermission } = this.#options.editor
    const parts = partsOf(uri)
    if (parts.length < 2) return { type: FileType.Directory, ctime: 0, mtime: 0, size: 0 }
    const { createdAt, editedAt } = await this.#get(uri)
    return {
      type: FileType.File,
      ctime: Date.parse(createdAt),
      mtime: Date.parse(editedAt),
      size: SIZE,
      ...(isStoredSide(uri) && { permissions: FilePermission.Readonly }),
    }
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const { data, version } = await this.#get(uri)
    const text = textOf(data)
    if (!isStoredSide(uri)) {
      this.#read.set(keyOf(uri), { version, text })
      const open = this.#openDocument(uri)
      if (open) this.#takeOver(open)
      else this.#versions.set(keyOf(uri), version)
    }
    return Buffer.from(text)
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const data = parse(Buffer.from(content).toString('utf8'))
    if (!data) throw this.#options.editor.FileSystemError.Unavailable(NOT_JSON)
    await this.#put(uri, data.value)
  }

  async delete(uri: vscode.Uri): Promise<void> {
    try {
      await deleteDocument(this.#door(uri), placeOf(uri), this.#versions.get(keyOf(uri)))
    } catch (error) {
      throw this.#translated(error, uri)
    }
    this.#versions.delete(keyOf(uri))
    this.#read.delete(keyOf(uri))
    this.#changed.fire([{ type: this.#options.editor.FileChangeType.Deleted, uri }])
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const { FileType } = this.#options.editor
    const [table] = partsOf(uri)
    if (table === undefined) {
      const tables = await storeClient(this.#door(uri)).tables()
      return tables.map(found => [segmentOf(found.table), FileType.Directory])
    }
    const found = await documentsOf(this.#door(uri), table, MOST_LISTED)
    return found.map(({ id }) => [`${segmentOf(id)}.json`, FileType.File])
  }

  watch(): vscode.Disposable {
    return { dispose: () => undefined } // `notice` reports changes.
  }

  createDirectory(): void {
    // A table exists once it has a document.
  }

  rename(uri: vscode.Uri): void {
    throw this.#options.editor.FileSystemError.NoPermissions(uri)
  }

  #openDocument(uri: vscode.Uri): vscode.TextDocument | undefined {
    const { textDocuments } = this.#options.editor.workspace
    return textDocuments.find(document => document.uri.toString() === uri.toString())
  }

  /** The version that was read is the one that is shown, once the texts are the same. */
  #takeOver(document: vscode.TextDocument): void {
    const { uri } = document
    if (uri.scheme !== STORE_SCHEME || isStoredSide(uri) || document.isDirty) return
    const read = this.#read.get(keyOf(uri))
    if (read && document.getText() === read.text) this.#versions.set(keyOf(uri), read.version)
  }

  #offerBothSides(uri: vscode.Uri, mine: unknown): void {
    const { editor, ui } = this.#options
    const place = placeOf(uri)
    const stored = uri.with({ query: 'stored' })
    ui.warn(
      `${place.table}/${place.id} was changed elsewhere. Your version is not saved yet.`,
      {
        title: 'Compare',
        run: () => editor.commands.executeCommand('vscode.diff', stored, uri, `${place.id}: stored ↔ yours`),
      },
      {
        title: 'Save Mine',
        run: () => this.#saveMine(uri, mine),
      },
      {
        title: 'Take Theirs',
        run: async () => {
          await editor.window.showTextDocument(uri)
          await editor.commands.executeCommand('workbench.action.files.revert')
        },
      },
    )
  }

  /**
   * Over what is stored now, unless that changes again at this moment.
   *
   * @param refused data of the save that failed, for a document that is no longer open
   */
  async #saveMine(uri: vscode.Uri, refused: unknown): Promise<void> {
    const { window } = this.#options.editor
    const open = this.#openDocument(uri)
    if (open && !open.isDirty) throw new Error('there are no unsaved changes left')
    if (open && !parse(open.getText())) throw new Error(NOT_JSON)
    this.#versions.set(keyOf(uri), await this.#storedVersion(uri))
    // By the editor, so that what was typed since is saved too, and nothing is unsaved afterwards.
    if (open) await open.save()
    else await this.#put(uri, refused)
    await window.showTextDocument(uri)
  }

  /** 0 if it was deleted. */
  async #storedVersion(uri: vscode.Uri): Promise<number> {
    try {
      return (await getDocument(this.#door(uri), placeOf(uri))).version
    } catch (error) {
      if (error instanceof StoreFailure && error.answered === 404) return 0
      throw error
    }
  }

  /** Over the known version; if another one is stored, both sides are offered. */
  async #put(uri: vscode.Uri, data: unknown): Promise<void> {
    const { FileSystemError, FileChangeType } = this.#options.editor
    try {
      const known = this.#versions.get(keyOf(uri)) ?? 0
      const { version } = await putDocument(this.#door(uri), placeOf(uri), { data, version: known })
      this.#versions.set(keyOf(uri), version)
      this.#changed.fire([{ type: FileChangeType.Changed, uri }])
    } catch (error) {
      if (!(error instanceof StoreFailure) || error.answered !== 412) throw this.#translated(error, uri)
      this.#offerBothSides(uri, data)
      throw FileSystemError.Unavailable('the document has changed since you opened it')
    }
  }

  async #get(uri: vscode.Uri): Promise<StoredDocument> {
    try {
      return await getDocument(this.#door(uri), placeOf(uri))
    } catch (error) {
      throw this.#translated(error, uri)
    }
  }

  #door(uri: vscode.Uri): Door {
    this.mustBeOfChosen(uri)
    const door = this.#options.door()
    if (door === undefined) throw this.#options.editor.FileSystemError.Unavailable('The store is not running')
    return door
  }

  #translated(error: unknown, uri: vscode.Uri): unknown {
    const { FileSystemError } = this.#options.editor
    if (!(error instanceof StoreFailure)) return error
    return error.answered === 404 ? FileSystemError.FileNotFound(uri) : FileSystemError.Unavailable(error.message)
  }
}

type Place = Pick<vscode.Uri, 'authority' | 'path'>

function keyOf({ authority, path }: Place): string {
  return authority + path
}

export function placeOf(uri: Pick<vscode.Uri, 'path'>): DocumentPlace {
  const [table = '', id = ''] = partsOf(uri)
  return { table, id: id.replace(/\.json$/, '') }
}

/** As a tab shows it; only characters that would change the path are encoded. */
function segmentOf(name: string): string {
  return name.replace(/[%/\\]/g, encodeURIComponent)
}

function partsOf({ path }: Pick<vscode.Uri, 'path'>): string[] {
  return path
    .split('/')
    .filter(part => part !== '')
    .map(part => decodeURIComponent(part))
}

function isStoredSide({ query }: vscode.Uri): boolean {
  return query === 'stored'
}

function textOf(data: unknown): string {
  return `${JSON.stringify(data, null, 2)}\n`
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}
