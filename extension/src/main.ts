/** Entry of the extension; the one file that loads the editor's API and touches the process. */
import * as vscode from 'vscode'
import { createExtension, type Extension } from './extension.ts'

export function activate(context: vscode.ExtensionContext): Extension {
  const { env, execPath, versions } = process
  return createExtension(
    { editor: vscode, environment: env, execPath, isElectron: versions['electron'] !== undefined },
    context,
  )
}
