import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'

/**
 * The file as an open document; undefined if it is not open. Documents of other schemes, like `git:` for what was
 * committed, have the same path and another text.
 */
export function openFile({ workspace }: Vscode, path: string): vscode.TextDocument | undefined {
  return workspace.textDocuments.find(({ uri, isClosed }) => isFile(uri) && uri.fsPath === path && !isClosed)
}

export function isFile({ scheme }: Pick<vscode.Uri, 'scheme'>): boolean {
  return scheme === 'file'
}
