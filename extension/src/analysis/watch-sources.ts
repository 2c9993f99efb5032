/** Tells that files which a verdict may follow from were changed, by whomever: a checkout, an installation, a tool. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'

/** Files whose contents a verdict may follow from. */
export const SOURCES = /(?:\.[cm]?[jt]sx?|[\\/]package\.json|[\\/]tsconfig[^\\/]*\.json)$/
/** More than `SOURCES`: the editor knows no braces in braces. */
const PATTERN = '**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs,json}'
/** What tools write, perhaps all the time, and nothing is imported from. */
const OUTPUT = /[\\/](?:dist|out|build|coverage|\.[^\\/]+)[\\/]/

/** @param everyMs many changes are told as one, and no more often than this */
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
