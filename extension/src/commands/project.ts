/** Creating a project, and finding things in it. */
import type * as vscode from 'vscode'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RyoFaasError } from 'ryo-faas/contract'
import type { AgentProcess } from '../agent/agent-process.ts'
import type { Vscode } from '../editor/editor.ts'
import { answered, type Ui } from '../editor/ui.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import { defineCommand, type Needs } from './command.ts'
import { noDeployFile, showFile } from './target.ts'

interface ForInit extends Needs<'editor'> {
  ui: Pick<Ui, 'ask' | 'progress'>
  agent: Pick<AgentProcess, 'init'>
  projects: Pick<DeployFiles, 'reread'>
}

export const init = defineCommand({
  id: 'ryo-faas.init',
  needsTrust: true,
  run: async (parts: ForInit) => {
    const { editor, agent, projects, ui } = parts
    const folder = await folderFor(parts)
    await ui.progress('Creating a project', ({ signal }) => agent.init(folder, signal))
    await projects.reread(editor.Uri.file(`${folder}/deploy.json`))
    const isOpen = editor.workspace.workspaceFolders !== undefined
    if (!isOpen) return editor.commands.executeCommand('vscode.openFolder', editor.Uri.file(folder))
    await showFile(parts, `${folder}/src/hello.ts`)
    return undefined
  },
})

/** The folder that is open, if nothing is in it; else a new one inside. */
async function folderFor({ editor, ui }: ForInit): Promise<string> {
  const [first, ...others] = editor.workspace.workspaceFolders ?? []
  const place = first && others.length > 0 ? await pickFolder(editor) : (first?.uri ?? (await askForFolder(editor)))
  if (await isVacant(place.fsPath)) return place.fsPath
  const name = await ui.ask({
    title: 'New Project',
    prompt: `Name of the new folder in ${place.fsPath}`,
    value: 'my-functions',
    validateInput: text => {
      if (!/^[\w.-]+$/.test(text) || /^\.+$/.test(text)) return 'Use letters, digits, "-", "_" and "."'
      return existsSync(join(place.fsPath, text)) ? `${text} already exists` : undefined
    },
  })
  return join(place.fsPath, name)
}

/** Settings of editors and the like do not count. */
async function isVacant(folder: string): Promise<boolean> {
  const names = await readdir(folder)
  return names.every(name => name.startsWith('.') && name !== '.gitignore')
}

async function pickFolder({ window }: Vscode): Promise<vscode.Uri> {
  const options = { placeHolder: 'In which folder?', ignoreFocusOut: true }
  return (await answered(window.showWorkspaceFolderPick(options))).uri
}

async function askForFolder({ window }: Vscode): Promise<vscode.Uri> {
  const options = { canSelectFolders: true, canSelectFiles: false, openLabel: 'Create a Project Here' }
  const [uri] = await answered<vscode.Uri[]>(window.showOpenDialog(options))
  if (!uri) throw new RyoFaasError('CANCELLED', 'no folder was chosen')
  return uri
}

export const openDeployFile = defineCommand({
  id: 'ryo-faas.openDeployFile',
  needsTrust: false,
  run: async (parts: Needs<'editor' | 'projects'>) => {
    const { all } = await parts.projects.load()
    const files = all.map(({ file }) => file).sort((a, b) => dirname(a).length - dirname(b).length)
    const [first] = files
    if (first === undefined) throw noDeployFile()
    await showFile(parts, first)
  },
})

export const showOutput = defineCommand({
  id: 'ryo-faas.showOutput',
  needsTrust: false,
  run: ({ ui }: Needs<'ui'>) => ui.log.show(),
})

export const refresh = defineCommand({
  id: 'ryo-faas.refresh',
  needsTrust: false,
  run: async ({ link, functions, calls, store }: Needs<'link' | 'functions' | 'calls' | 'store'>) => {
    await link.refresh()
    for (const tree of [functions, calls, store]) tree.redraw()
  },
})
