/** Which function a command is about: what it was called with, else the one at the cursor, else the user's choice. */
import type * as vscode from 'vscode'
import { RyoFaasError, type DeploymentView } from 'ryo-faas/contract'
import type { TreeNode } from '../views/node.ts'
import type { Parts } from './parts.ts'

export interface Target {
  name: string
  /** Absolute path of the module; absent if only the deployment is known. */
  file: string | undefined
}

/** A function in a file, deployed or not. @throws RyoFaasError CANCELLED */
export async function targetOf(parts: Parts, argument: unknown): Promise<Target> {
  const given = givenTarget(parts, argument)
  if (given) return given
  const here = await targetAtCursor(parts)
  return here ?? (await pickTarget(parts))
}

/** A deployment. @throws RyoFaasError CANCELLED, DEPLOYMENT_NOT_FOUND */
export async function deploymentOf(parts: Parts, argument: unknown): Promise<DeploymentView> {
  await parts.link.refresh()
  const given = givenTarget(parts, argument) ?? (await deployedAtCursor(parts))
  const name = given?.name ?? (await pickDeployment(parts))
  const deployment = parts.link.deployment(name)
  if (deployment) return deployment
  if (parts.link.snapshot === undefined) {
    throw new RyoFaasError('NOT_RUNNING', 'the platform does not run', { hint: 'Start it, then deploy the function.' })
  }
  throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `"${name}" is not deployed`)
}

async function deployedAtCursor(parts: Parts): Promise<Target | undefined> {
  const here = await targetAtCursor(parts)
  return here && parts.link.deployment(here.name) ? here : undefined
}

function givenTarget({ link }: Parts, argument: unknown): Target | undefined {
  if (typeof argument === 'string') return { name: argument, file: link.deployment(argument)?.filePath }
  const { name, file, subject } = (argument ?? {}) as Partial<Target> & Partial<TreeNode>
  if (typeof name === 'string') return { name, file }
  if (subject?.kind !== 'deployment' && subject?.kind !== 'version') return undefined
  return { name: subject.name, file: link.deployment(subject.name)?.filePath }
}

/** The handler that the cursor is in or below. */
async function targetAtCursor({ editor, handlers }: Parts): Promise<Target | undefined> {
  const active = editor.window.activeTextEditor
  if (!active) return undefined
  const { document, selection } = active
  const sites = await handlers.lensSites(document)
  const above = sites.filter(({ candidate }) => candidate.range.start.line <= selection.active.line)
  const site = above.at(-1) ?? sites[0]
  return site && { name: site.name, file: document.uri.fsPath }
}

async function pickTarget({ editor, projects }: Parts): Promise<Target> {
  await projects.load()
  const items = projects.all.flatMap(({ file, entries }) =>
    entries.map(({ name, filePath }) => ({
      label: name,
      description: editor.workspace.asRelativePath(filePath),
      detail: editor.workspace.asRelativePath(file),
      file: filePath,
    })),
  )
  if (items.length === 0) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', 'there is no function to deploy here', {
      hint: 'Open a file that exports a handler, or make a project with "ryo-faas: New Project".',
    })
  }
  const { label, file } = await chosen(editor.window.showQuickPick(items, { placeHolder: 'Which function?' }))
  return { name: label, file }
}

async function pickDeployment({ editor, link }: Parts): Promise<string> {
  const items = (link.snapshot?.deployments ?? []).map(({ name, version, state, kind }) => ({
    label: name,
    description: `v${version} · ${state} · ${kind}`,
  }))
  if (items.length === 0) {
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', 'nothing is deployed', {
      hint: 'Open a file that exports a handler and press "Deploy function".',
    })
  }
  return (await chosen(editor.window.showQuickPick(items, { placeHolder: 'Which function?' }))).label
}

/** @throws RyoFaasError CANCELLED if nothing was chosen */
export async function chosen<T>(choice: Thenable<T | undefined>): Promise<T> {
  const value = await choice
  if (value === undefined) throw new RyoFaasError('CANCELLED', 'nothing was chosen')
  return value
}

export async function showFile({ editor }: Parts, file: string, selection?: vscode.Range): Promise<vscode.TextEditor> {
  const document = await editor.workspace.openTextDocument(editor.Uri.file(file))
  return editor.window.showTextDocument(document, { ...(selection && { selection }) })
}
