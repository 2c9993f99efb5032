/** Making a project, and finding one's way in it. */
import type * as vscode from 'vscode'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Command, Parts } from './parts.ts'
import { chosen, showFile } from './target.ts'

export const init: Command = async parts => {
  const { editor, agent, projects, ui } = parts
  const folder = await folderFor(parts)
  await ui.progress('Creating a project', ({ signal }) => agent.init(folder, signal))
  await projects.reread(editor.Uri.file(`${folder}/deploy.json`))
  const isOpen = editor.workspace.workspaceFolders !== undefined
  if (!isOpen) return editor.commands.executeCommand('vscode.openFolder', editor.Uri.file(folder))
  await showFile(parts, `${folder}/src/hello.ts`)
  return undefined
}

/** The folder that is open, if nothing is in it; else a new one inside. */
async function folderFor(parts: Parts): Promise<string> {
  const { editor } = parts
  const [first, ...others] = editor.workspace.workspaceFolders ?? []
  const place = first && others.length > 0 ? await pickFolder(parts) : (first?.uri ?? (await askForFolder(parts)))
  if (await isVacant(place.fsPath)) return place.fsPath
  const name = await chosen(
    editor.window.showInputBox({
      title: 'New Project',
      prompt: `Name of the new folder in ${place.fsPath}`,
      value: 'my-functions',
      validateInput: text => {
        if (!/^[\w.-]+$/.test(text) || /^\.+$/.test(text)) return 'Use letters, digits, "-", "_" and "."'
        return existsSync(join(place.fsPath, text)) ? `${text} already exists` : undefined
      },
    }),
  )
  return join(place.fsPath, name)
}

/** Settings of editors and the like do not count. */
async function isVacant(folder: string): Promise<boolean> {
  const names = await readdir(folder)
  return names.every(name => name.startsWith('.') && name !== '.gitignore')
}

async function pickFolder({ editor }: Parts): Promise<vscode.Uri> {
  const picked = await chosen(editor.window.showWorkspaceFolderPick({ placeHolder: 'In which folder?' }))
  return picked.uri
}

async function askForFolder({ editor }: Parts): Promise<vscode.Uri> {
  const options = { canSelectFolders: true, canSelectFiles: false, openLabel: 'Create a Project Here' }
  const [uri] = await chosen<vscode.Uri[]>(editor.window.showOpenDialog(options))
  if (!uri) throw new RyoFaasError('CANCELLED', 'no folder was chosen')
  return uri
}

export const openDeployFile: Command = async parts => {
  await parts.projects.load()
  const files = parts.projects.all.map(({ file }) => file).sort((a, b) => dirname(a).length - dirname(b).length)
  const [first] = files
  if (first === undefined) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', 'this workspace has no deploy.json', {
      hint: 'Press "Deploy function" above a handler to create one.',
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
