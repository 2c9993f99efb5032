/**
 * Folders that are created or deleted with everything in them: a checkout, an archive, a rename. The editor may then
 * report the topmost folder only, and watchers for the files inside hear nothing.
 */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'

/** Long enough for a checkout to be one search, short enough not to be noticed. */
const SETTLE_MS = 200
/** Folders inside may not be watched yet: what is written there a moment later is not reported either. */
const LOOK_AGAIN_MS = [1_000, 4_000]

export interface FolderListener {
  /** Folders were created, with whatever is in them by now. */
  onCame(): void
  /** The file or folder at this path is gone. */
  onGone(path: string): void
}

export function watchWholeFolders(editor: Vscode, { onCame, onGone }: FolderListener): vscode.Disposable {
  const watcher = editor.workspace.createFileSystemWatcher('**', false, true, false)
  let isDisposed = false
  let came: vscode.Uri[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let again: ReturnType<typeof setTimeout>[] = []
  const look = async (): Promise<void> => {
    timer = undefined
    const looked = came
    came = []
    const folders = await Promise.all(looked.map(uri => isFolder(editor, uri)))
    if (isDisposed || !folders.includes(true)) return
    again.forEach(clearTimeout)
    again = LOOK_AGAIN_MS.map(ms => setTimeout(onCame, ms))
    onCame()
  }
  watcher.onDidCreate(uri => {
    came.push(uri)
    timer ??= setTimeout(() => void look(), SETTLE_MS)
  })
  watcher.onDidDelete(({ fsPath }) => onGone(fsPath))
  return {
    dispose: () => {
      isDisposed = true
      for (const each of [timer, ...again]) clearTimeout(each)
      watcher.dispose()
    },
  }
}

async function isFolder({ workspace, FileType }: Vscode, uri: vscode.Uri): Promise<boolean> {
  const found = await workspace.fs.stat(uri).then(
    ({ type }) => type,
    () => FileType.Unknown, // It is gone again.
  )
  return (found & FileType.Directory) !== 0
}
