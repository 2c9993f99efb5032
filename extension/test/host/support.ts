/** For tests inside the editor. */
import { join } from 'node:path'
import * as vscode from 'vscode'
import type { Activated } from '../../src/main.ts'

const WAIT_MS = 60_000

/** Asks until there is an answer, or the time is up; `instead` says what there was. */
export async function until<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  instead: () => unknown = () => undefined,
): Promise<T> {
  const deadline = Date.now() + WAIT_MS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error(`never happened: ${String(ask)}; instead: ${JSON.stringify(instead())}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

export async function extension(): Promise<Activated> {
  const found = vscode.extensions.getExtension<Activated>('ryo-faas.ryo-faas-vscode')
  if (!found) throw new Error('the extension is not installed')
  return found.activate()
}

export function workspacePath(path: string): string {
  return join(vscode.workspace.workspaceFolders![0]!.uri.fsPath, path)
}

export async function open(path: string): Promise<vscode.TextDocument> {
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(workspacePath(path)))
  await vscode.window.showTextDocument(document, { preview: false })
  return document
}

export async function lenses(document: vscode.TextDocument): Promise<string[]> {
  const found = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    document.uri,
    100,
  )
  const ours = found.filter(({ command }) => command?.command.startsWith('ryo-faas.'))
  return ours.map(({ range, command }) => `${range.start.line}: ${command!.title}`)
}

export function diagnostics(document: vscode.TextDocument): vscode.Diagnostic[] {
  return vscode.languages.getDiagnostics(document.uri).filter(({ source }) => source === 'ryo-faas')
}

export async function replaceAll(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit()
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), text)
  await vscode.workspace.applyEdit(edit)
}
