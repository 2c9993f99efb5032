/**
 * Deploying without questions: what is in deploy.json is deployed; what is not is written into it and shown.
 */
import type * as vscode from 'vscode'
import { basename, dirname, sep } from 'node:path'
import { RyoFaasError, type DeploymentKind } from 'ryo-faas/contract'
import type { Deployed, DeployRequest, Deploys } from '../agent/deploys.ts'
import type { Handlers } from '../analysis/handlers.ts'
import { toRange, type Range } from '../editor/range.ts'
import type { Ui } from '../editor/ui.ts'
import { exportOf, placeIn } from '../project/deploy-file.ts'
import type { DeployFiles, LoadedFiles } from '../project/deploy-files.ts'
import { isFile } from '../project/open-file.ts'
import { defineCommand, type Needs } from './command.ts'
import { noDeployFile, showFile, targetOf, type ForDeployment, type Target } from './target.ts'

interface ForEntry extends Needs<'editor'> {
  ui: Pick<Ui, 'log' | 'pick' | 'say'>
  handlers: Pick<Handlers, 'packageDirOf' | 'sites'>
}

interface ForDeploy extends Needs<'editor' | 'showProblems'> {
  ui: Pick<Ui, 'confirm' | 'progress'>
  deploys: Pick<Deploys, 'run'>
}

export type ForDeployOne = ForDeployment & ForEntry & ForDeploy & { projects: DeployFiles }

export const deploy = defineCommand({
  id: 'ryo-faas.deploy',
  needsTrust: true,
  row: true,
  run: async (parts: ForDeployOne, argument) => {
    const deployed = await deployOne(parts, argument, { debug: false })
    if (deployed) announce(parts, deployed)
    return deployed
  },
})

export const deployFile = defineCommand({
  id: 'ryo-faas.deployFile',
  needsTrust: true,
  run: async (parts: ForDeploy & Needs<'link' | 'projects' | 'ui'>, argument) => {
    const { ui, editor } = parts
    const file = (argument as Partial<vscode.Uri> | undefined)?.fsPath ?? (await fileToDeploy(parts))
    await saveAll(parts, path => path.startsWith(dirname(file) + sep))
    const deployed = await deployAsking(parts, { file }, `Deploying ${editor.workspace.asRelativePath(file)}`)
    const changed = deployed.filter(({ outcome }) => outcome !== 'unchanged')
    const names = deployed.map(({ name }) => name).join(', ')
    ui.say(changed.length === 0 ? `Nothing has changed: ${names}` : `Deployed ${names}${toServer(parts.link)}.`)
    return deployed
  },
})

export const addToDeployFile = defineCommand({
  id: 'ryo-faas.addToDeployFile',
  needsTrust: false,
  run: async (parts: ForDeployment & ForEntry & { projects: DeployFiles }, argument) => {
    const loaded = { ...parts, projects: await parts.projects.load() }
    announceEntry(parts, await entryOf(loaded, await targetOf(loaded, argument)))
  },
})

/** @throws RyoFaasError CANCELLED, or why it failed */
export async function deployOne(
  parts: ForDeployOne,
  argument: unknown,
  { debug }: { debug: boolean },
): Promise<Deployed | undefined> {
  const loaded = { ...parts, projects: await parts.projects.load() }
  const entry = await entryOf(loaded, await targetOf(loaded, argument))
  await saveAll(parts, path => path === entry.deployFile || path.startsWith(entry.packageDir + sep))
  const title = `Deploying ${entry.name}${toServer(parts.link)}${debug ? ' for the debugger' : ''}`
  try {
    const [deployed] = await deployAsking(parts, { file: entry.deployFile, only: [entry.name], debug }, title)
    return deployed
  } finally {
    // Only now: a toast does not outlast the start of a platform.
    announceEntry(parts, entry)
  }
}

function toServer({ server }: ForDeployment['link']): string {
  return server === undefined ? '' : ` to the server ${server}`
}

/** Another project's function is replaced only if the user says so. */
async function deployAsking(parts: ForDeploy, request: DeployRequest, title: string): Promise<Deployed[]> {
  const { deploys, ui } = parts
  const run = (replace: boolean) =>
    withProblems(parts, () => ui.progress(title, progress => deploys.run({ ...request, replace }, progress)))
  try {
    return await run(false)
  } catch (error) {
    if (!(error instanceof RyoFaasError) || error.code !== 'NAME_TAKEN') throw error
    const file = basename(request.file)
    const detail = `If you replace it, its address serves your function. Otherwise give yours another name in ${file}.`
    const question = error.message.replace('; nothing was deployed', '.')
    const answer = await ui.confirm(question, { buttons: ['Replace', `Open ${file}`], detail })
    if (answer === 'Replace') return run(true)
    await showFile(parts, request.file)
    throw new RyoFaasError('CANCELLED', error.message, { cause: error })
  }
}

async function fileToDeploy({ editor, projects, ui }: Needs<'editor' | 'projects' | 'ui'>): Promise<string> {
  const files = (await projects.load()).all.map(({ file }) => file)
  const active = editor.window.activeTextEditor?.document.uri.fsPath
  if (active !== undefined && files.includes(active)) return active
  const [first, ...others] = files
  if (first === undefined) throw noDeployFile()
  if (others.length === 0) return first
  const items = files.sort().map(file => ({ label: editor.workspace.asRelativePath(file), file }))
  return (await ui.pick(items, 'Which deploy.json?')).file
}

function announceEntry(parts: ForEntry, { name, deployFile, written }: KnownEntry): void {
  if (!written) return
  const { editor, ui } = parts
  ui.say(`Added "${name}" to ${editor.workspace.asRelativePath(deployFile)}.`, {
    title: 'Open',
    run: () => showFile(parts, deployFile, toRange(editor, written)),
  })
}

async function withProblems<T>({ showProblems }: Needs<'showProblems'>, run: () => Promise<T>): Promise<T> {
  try {
    const result = await run()
    showProblems([])
    return result
  } catch (error) {
    if (error instanceof RyoFaasError && error.code !== 'CANCELLED') showProblems(error.problems ?? [])
    throw error
  }
}

function announce(
  { ui, editor, link }: ForEntry & Pick<ForDeployment, 'link'>,
  { name, version, url, outcome, durationMs }: Deployed,
): void {
  const run = (command: string) => () => editor.commands.executeCommand(`ryo-faas.${command}`, name)
  const seconds = `${(durationMs / 1000).toFixed(1)} s`
  ui.log.info(`deployed ${name} v${version} (${outcome}) in ${seconds}: ${url}`)
  ui.say(
    outcome === 'unchanged'
      ? `${name} v${version} is already live; nothing changed.`
      : `${name} v${version} is live ${link.server === undefined ? `at ${url}` : `on the server ${link.server}`}`,
    { title: 'Invoke', run: run('invoke') },
    { title: 'Logs', run: run('logs') },
    { title: 'Open in Browser', run: run('openInBrowser') },
  )
}

interface KnownEntry {
  name: string
  packageDir: string
  deployFile: string
  /** Where it is in the file, if it was just written. */
  written?: Range
}

async function entryOf(parts: ForEntry & { projects: LoadedFiles }, { name, file }: Target): Promise<KnownEntry> {
  const { projects } = parts
  const known = file === undefined ? undefined : projects.entryOf(file, name)
  if (known) return known
  if (file === undefined) {
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `the source of "${name}" is not in this workspace`)
  }
  return projects.inTurn(() => writeEntry(parts, { name, file }))
}

async function writeEntry(
  parts: ForEntry & { projects: LoadedFiles },
  { name, file }: { name: string; file: string },
): Promise<KnownEntry> {
  const { editor, handlers, projects, ui } = parts
  const uri = editor.Uri.file(file)
  const document = await editor.workspace.openTextDocument(uri)
  const site = (await handlers.sites(document)).find(({ candidate }) => candidate.name === name)
  const kind: DeploymentKind = site?.candidate.kind ?? 'http'
  const root = editor.workspace.getWorkspaceFolder(uri)?.uri.fsPath ?? dirname(file)
  const deployFile = projects.nearest(file) ?? `${root}${sep}deploy.json`
  const packageDir = within(dirname(deployFile), handlers.packageDirOf(uri), dirname(file))
  const entryName = exportOf({ kind, name }) === name && kind === 'service' ? serviceName(packageDir) : name

  const target = editor.Uri.file(deployFile)
  // It may have been written just now (a checkout, a new project), and the watcher has not told yet.
  await projects.reread(target)
  const there = projects.entryOf(file, entryName)
  if (there) return there
  const before = await textOf(parts, target)
  const { text, span } = await projects.withEntry(deployFile, before, {
    name: entryName,
    kind,
    packageDir,
    filePath: file,
  })
  const edit = new editor.WorkspaceEdit()
  if (before === undefined) edit.createFile(target, { contents: Buffer.from(text) })
  else edit.replace(target, new editor.Range(0, 0, before.split('\n').length, 0), text)
  if (!(await editor.workspace.applyEdit(edit))) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `${deployFile} could not be written`)
  }
  const written = await editor.workspace.openTextDocument(target)
  if (written.isDirty && !(await written.save())) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `${deployFile} could not be saved`)
  }
  await projects.reread(target)
  ui.log.info(`wrote "${entryName}" into ${deployFile}`)
  return { name: entryName, packageDir, deployFile, written: placeIn(text, span) }
}

/** As the editor has the file, saved or not; undefined if it does not exist. */
async function textOf({ editor }: Needs<'editor'>, uri: vscode.Uri): Promise<string | undefined> {
  try {
    return (await editor.workspace.openTextDocument(uri)).getText()
  } catch {
    return undefined // If it is there and cannot be read, creating it fails.
  }
}

/** The folder to bundle has to be inside the folder of deploy.json. */
function within(root: string, folder: string, otherwise: string): string {
  return folder === root || folder.startsWith(root + sep) ? folder : otherwise
}

function serviceName(packageDir: string): string {
  return (packageDir.split(sep).at(-1) ?? 'service').replace(/[^A-Za-z0-9_-]/g, '-').replace(/^[-_]+/, '') || 'service'
}

/** Files are deployed as they are on disk. */
async function saveAll({ editor }: Needs<'editor'>, isDeployed: (path: string) => boolean): Promise<void> {
  const dirty = editor.workspace.textDocuments.filter(
    ({ isDirty, uri }) => isDirty && isFile(uri) && isDeployed(uri.fsPath),
  )
  await Promise.all(dirty.map(document => document.save()))
}
