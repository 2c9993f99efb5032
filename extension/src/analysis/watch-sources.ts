/** Reports changes of files that a verdict may depend on, whatever made them: a checkout, an installation, a tool. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'

/** Files that a verdict may depend on. */
export const SOURCES = /(?:\.[cm]?[jt]sx?|[\\/]package\.json|[\\/]tsconfig[^\\/]*\.json)$/
/** More than `SOURCES`: the editor's patterns have no braces inside braces. */
const PATTERN = '**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs,json}'
/** What tools write, perhaps all the time, and nobody imports. */
const OUTPUT = /[\\/](?:dist|out|build|coverage|\.[^\\/]+)[\\/]/

/** @param everyMs changes are reported no more often than this, many as one */
export function watchSources(editor: Vscode, everyMs: number, onChange: () => void): vscode.Disposable {
  const watcher = editor.workspace.createFileSystemWatcher(PATTERN)
  let timer: ReturnType<typeof setTimeout> | undefined
  const note = ({ fsPath }: vscode.Uri) => {
    if (!SOURCES.test(fsPath) || OUTPUT.test(fsPath)) return
    timer ??= setTimeout(() => {
      timer = undefined
      onChange()
    }, everyMs)
  }
  watcher.onDidCreate(note)
  watcher.onDidChange(note)
  watcher.onDidDelete(note)
  return {
    dispose: () => {
      clearTimeout(timer)
      watcher.dispose()
    },
  }
}
