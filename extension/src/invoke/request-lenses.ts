/** `▶ Send` above a request. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor.ts'
import { nameIn } from './requests.ts'

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
