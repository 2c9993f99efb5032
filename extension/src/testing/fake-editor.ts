/** As much of the editor as the tests need: real files, and documents over them that a test edits. */
import { EventEmitter as NodeEmitter } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'
import type { Position } from '../editor/range.ts'

/** Each for one kind of event; its owner knows which. */
type Listener = Parameters<NodeEmitter['on']>[1]

class Emitter {
  readonly #emitter = new NodeEmitter()
  readonly event = (listener: Listener) => {
    this.#emitter.on('event', listener)
    return { dispose: () => void this.#emitter.off('event', listener) }
  }
  fire(event?: unknown): void {
    this.#emitter.emit('event', event)
  }
  dispose(): void {
    this.#emitter.removeAllListeners()
  }
}

interface UriParts {
  scheme: string
  authority?: string
  path: string
  query?: string
}

export class FakeUri {
  readonly scheme: string
  readonly authority: string
  readonly path: string
  readonly query: string

  constructor({ scheme, authority = '', path, query = '' }: UriParts) {
    this.scheme = scheme
    this.authority = authority
    this.path = path
    this.query = query
  }

  static file(path: string): vscode.Uri {
    return FakeUri.from({ scheme: 'file', path })
  }

  static from(parts: UriParts): vscode.Uri {
    return new FakeUri(parts) as unknown as vscode.Uri
  }

  get fsPath(): string {
    return this.path
  }

  with(change: { query?: string }): vscode.Uri {
    return FakeUri.from({ ...this.#parts, ...change })
  }

  toString(): string {
    return `${this.scheme}:${this.authority}${this.path}?${this.query}`
  }

  get #parts(): UriParts {
    return { scheme: this.scheme, authority: this.authority, path: this.path, query: this.query }
  }
}

/** A document whose text, state and saving are the test's. */
export class FakeDocument {
  readonly uri: vscode.Uri
  languageId = 'typescript'
  version = 1
  isDirty = false
  isClosed = false
  text: string
  /** What a save does. */
  write: (text: string) => unknown = text => writeFileSync(this.uri.fsPath, text)
  readonly #editor: FakeEditor

  constructor(editor: FakeEditor, uri: vscode.Uri, text: string) {
    this.#editor = editor
    this.uri = uri
    this.text = text
  }

  /** As the extension sees it. */
  get api(): vscode.TextDocument {
    return this as unknown as vscode.TextDocument
  }

  getText(): string {
    return this.text
  }

  type(text: string): void {
    this.#change(text, true)
  }

  revert(): void {
    this.#change(readFileSync(this.uri.fsPath, 'utf8'), false)
  }

  /** What changed elsewhere is shown. */
  reload(text: string): void {
    this.#change(text, false)
  }

  async save(): Promise<boolean> {
    if (!this.isDirty) return false
    await this.write(this.text)
    this.isDirty = false
    this.#editor.saved.fire(this)
    return true
  }

  /** What was not saved is discarded. */
  close(): void {
    const { documents, visible, closed } = this.#editor
    this.isClosed = true
    for (const list of [documents, visible]) if (list.includes(this)) list.splice(list.indexOf(this), 1)
    closed.fire(this)
  }

  #change(text: string, isDirty: boolean): void {
    this.text = text
    this.isDirty = isDirty
    this.version++
    this.#editor.changed.fire({ document: this })
  }
}

class FakeRange {
  constructor(...places: number[]) {
    void places
  }
}

class FakeEdit {
  replace = () => undefined
  createFile = () => undefined
}

export class FakeEditor {
  readonly documents: FakeDocument[] = []
  readonly visible: FakeDocument[] = []
  readonly changed = new Emitter()
  readonly saved = new Emitter()
  readonly closed = new Emitter()
  readonly shown = new Emitter()
  /** Changes of files that the editor's watchers report. */
  readonly fileChanged = new Emitter()
  readonly created = new Emitter()
  readonly deleted = new Emitter()
  /** What `findFiles` finds. */
  files: string[] = []
  /** The workspace's. */
  folders: string[] = []
  pickedFolder: string | undefined
  isTrusted = true
  active: { document: FakeDocument; position: Position } | undefined
  applyEdit: () => Promise<boolean> = async () => false
  /** Commands that were registered. */
  readonly commands = new Map<string, (...args: unknown[]) => unknown>()

  open(uri: vscode.Uri, text = readFileSync(uri.fsPath, 'utf8')): FakeDocument {
    const document = new FakeDocument(this, uri, text)
    this.documents.push(document)
    return document
  }

  show(...documents: FakeDocument[]): void {
    this.visible.splice(0, this.visible.length, ...documents)
    this.shown.fire()
  }

  /** What else a test needs of the editor. */
  readonly #more: { window?: object }

  constructor(more: { window?: object; [name: string]: unknown } = {}) {
    this.#more = more
  }

  get api(): Vscode {
    const never = new Emitter().event
    const { documents, visible, folders, pickedFolder, active, commands } = this
    const { window, ...more } = this.#more
    return {
      EventEmitter: Emitter,
      Uri: FakeUri,
      FileChangeType: { Changed: 1 },
      FileType: { Unknown: 0, File: 1, Directory: 2 },
      FileSystemError: { Unavailable: (message: string) => new Error(message) },
      Range: FakeRange,
      WorkspaceEdit: FakeEdit,
      commands: {
        executeCommand: async () => undefined,
        registerCommand: (id: string, run: (...args: unknown[]) => unknown) => {
          commands.set(id, run)
          return { dispose: () => void commands.delete(id) }
        },
      },
      window: {
        activeTextEditor: active && { document: active.document, selection: { active: active.position } },
        showWorkspaceFolderPick: async () => pickedFolder && { uri: FakeUri.file(pickedFolder) },
        get visibleTextEditors() {
          return visible.map(document => ({ document }))
        },
        onDidChangeVisibleTextEditors: this.shown.event,
        showTextDocument: async () => undefined,
        ...window,
      },
      workspace: {
        isTrusted: this.isTrusted,
        workspaceFolders: folders.length > 0 ? folders.map(path => ({ uri: FakeUri.file(path) })) : undefined,
        asRelativePath: (path: string) => path.split('/').at(-1),
        applyEdit: () => this.applyEdit(),
        textDocuments: documents,
        openTextDocument: async (uri: vscode.Uri) =>
          documents.find(document => String(document.uri) === String(uri)) ?? this.open(uri),
        onDidChangeTextDocument: this.changed.event,
        onDidSaveTextDocument: this.saved.event,
        onDidCloseTextDocument: this.closed.event,
        onDidChangeWorkspaceFolders: never,
        createFileSystemWatcher: (pattern: string) => ({
          // These tests only report folders.
          onDidCreate: pattern === '**' ? this.created.event : never,
          onDidChange: (listener: (uri: vscode.Uri) => void) =>
            this.fileChanged.event((uri: vscode.Uri) => {
              if (/deploy\.json/.test(pattern) === /deploy\.json$/.test(uri.path)) listener(uri)
            }),
          onDidDelete: pattern === '**' ? this.deleted.event : never,
          dispose: () => undefined,
        }),
        findFiles: async () => this.files.map(FakeUri.file),
        getWorkspaceFolder: () => undefined,
        fs: {
          readFile: (uri: vscode.Uri) => readFile(uri.fsPath),
          stat: async (uri: vscode.Uri) => ({ type: (await stat(uri.fsPath)).isDirectory() ? 2 : 1 }),
        },
      },
      ...more,
    } as unknown as Vscode
  }
}
