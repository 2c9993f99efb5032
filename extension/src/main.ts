/** Entry of the extension; the one file that loads the editor's API and touches the process. */
import * as vscode from 'vscode'
import { createExtension, type Extension } from './extension.ts'

export interface Activated extends Extension {
  /** How long activation took, without what happens later. */
  readonly activationMs: number
}

export function activate(context: vscode.ExtensionContext): Activated {
  const begin = performance.now()
  const { env, execPath, versions } = process
  const isElectron = versions['electron'] !== undefined
  const extension = createExtension({ editor: vscode, environment: env, execPath, isElectron }, context)
  return { ...extension, activationMs: performance.now() - begin }
}
