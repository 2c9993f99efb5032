/** Requests as files in the editor (`ryo-request:/<name>.ryo-http`), one per function, kept with the workspace. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'
import { firstRequest } from './request-text.ts'
import type { DeploymentKind } from 'ryo-faas/contract'

export const REQUEST_SCHEME = 'ryo-request'
const KEY = 'requests'

interface Kept {
  text: string
  mtime: number
}

export class Requests implements vscode.FileSystemProvider {
  readonly onDidChangeFile: vscode.Event<vscode.FileChangeEvent[]>
  readonly #editor: Vscode
  readonly #memory: vscode.Memento
  readonly #kindOf: (name: string) => DeploymentKind
  readonly #changed: vscode.EventEmitter<vscode.FileChangeEvent[]>

  constructor(editor: Vscode, memory: vscode.Memento, kindOf: (name: string) => DeploymentKind) {
    this.#editor = editor
    this.#memory = memory
    this.#kindOf = kindOf
    this.#changed = new editor.EventEmitter()
    this.onDidChangeFile = this.#changed.event
  }

  uriOf(name: string): vscode.Uri {
    return this.#editor.Uri.from({ scheme: REQUEST_SCHEME, path: `/${name}.ryo-http` })
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const { text, mtime } = this.#kept(uri)
    return { type: this.#editor.FileType.File, ctime: 0, mtime, size: Buffer.byteLength(text) }
  }

  readFile(uri: vscode.Uri): Uint8Array {
    return Buffer.from(this.#kept(uri).text)
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const kept: Kept = { text: Buffer.from(content).toString('utf8'), mtime: Date.now() }
    await this.#memory.update(KEY, { ...this.#all(), [nameIn(uri)]: kept })
    this.#changed.fire([{ type: this.#editor.FileChangeType.Changed, uri }])
  }

  watch(): vscode.Disposable {
    return { dispose: () => undefined } // Only the editor writes them.
  }

  readDirectory(): [string, vscode.FileType][] {
    return []
  }

  createDirectory(uri: vscode.Uri): void {
    throw this.#editor.FileSystemError.NoPermissions(uri)
  }

  delete(uri: vscode.Uri): void {
    throw this.#editor.FileSystemError.NoPermissions(uri)
  }

  rename(uri: vscode.Uri): void {
    throw this.#editor.FileSystemError.NoPermissions(uri)
  }

  #all(): Record<string, Kept> {
    return this.#memory.get<Record<string, Kept>>(KEY, {})
  }

  #kept(uri: vscode.Uri): Kept {
    const name = nameIn(uri)
    return this.#all()[name] ?? { text: firstRequest(name, this.#kindOf(name)), mtime: 0 }
  }
}

/** `▶ Send` above a request. */
export class RequestLenses implements vscode.CodeLensProvider {
  readonly #editor: Vscode

  constructor(editor: Vscode) {
    this.#editor = editor
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const lines = document.getText().split(/\r?\n/)
    const line = Math.max(
      0,
      lines.findIndex(text => text.trim() !== '' && !text.startsWith('#')),
    )
    const range = new this.#editor.Range(line, 0, line, 0)
    const name = nameIn(document.uri)
    const lens = (title: string, command: string) =>
      new this.#editor.CodeLens(range, { title, command: `ryo-faas.${command}`, arguments: [name] })
    return [lens('▶ Send', 'sendRequest'), lens('Logs', 'logs'), lens('Source', 'openSource')]
  }
}

/** The function that a request or an answer is about. */
export function nameIn(uri: Pick<vscode.Uri, 'path'>): string {
  return uri.path.slice(1).replace(/\.ryo-http$/, '')
}
