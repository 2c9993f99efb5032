/** Entry of the extension; the one file that loads the editor's API. */
import * as vscode from 'vscode'
import { register } from './extension.ts'

export function activate(context: vscode.ExtensionContext): void {
  register(vscode, context)
}
