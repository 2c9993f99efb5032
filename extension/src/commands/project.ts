/** Making a project, and finding one's way in it. */
import type * as vscode from 'vscode'
import { dirname } from 'node:path'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Command, Parts } from './parts.ts'
import { chosen, showFile } from './target.ts'

export const init: Command = async parts => {
  const { editor, agent, projects, ui } = parts
  const folder = editor.workspace.workspaceFolders?.[0]?.uri.fsPath ?? (await askForFolder(parts))
  await ui.progress('Making a project', ({ signal }) => agent.init(folder, signal))
  await projects.reread(editor.Uri.file(`${folder}/deploy.json`))
  const isOpen = editor.workspace.workspaceFolders !== undefined
  if (!isOpen) return editor.commands.executeCommand('vscode.openFolder', editor.Uri.file(folder))
  await showFile(parts, `${folder}/src/hello.ts`)
  return undefined
}

async function askForFolder({ editor }: Parts): Promise<string> {
  const options = { canSelectFolders: true, canSelectFiles: false, openLabel: 'Make a project here' }
  const [uri] = await chosen<vscode.Uri[]>(editor.window.showOpenDialog(options))
  if (!uri) throw new RyoFaasError('CANCELLED', 'no folder was chosen')
  return uri.fsPath
}

export const openDeployFile: Command = async parts => {
  await parts.projects.load()
  const files = parts.projects.all.map(({ file }) => file).sort((a, b) => dirname(a).length - dirname(b).length)
  const [first] = files
  if (first === undefined) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', 'there is no deploy.json in this workspace', {
      hint: 'Press "Deploy function" above a handler, and one is written.',
    })
  }
  await showFile(parts, first)
}

export const showOutput: Command = ({ ui }) => ui.log.show()

export const refresh: Command = async ({ link, functions, calls, store }) => {
  await link.refresh()
  functions.refresh()
  calls.refresh()
  store.refresh()
}
