/** Which function a command is about: what it was called with, else the one at the cursor, else the user's choice. */
import type * as vscode from 'vscode'
import { RyoFaasError, type DeploymentView } from 'ryo-faas/contract'
import type { Site } from '../analysis/handlers.ts'
import { isWithin } from '../editor/range.ts'
import type { TreeNode } from '../tree/node.ts'
import type { Parts } from './parts.ts'

export interface Target {
  name: string
  /** Absolute path of the module; absent if only the deployment is known. */
  file: string | undefined
}

/**
 * A function in a file, deployed or not.
 * @throws RyoFaasError CANCELLED; CHECK_FAILED if the cursor is in what is not a handler
 */
export async function targetOf(parts: Parts, argument: unknown): Promise<Target> {
  const given = givenTarget(parts, argument)
  if (given) return given
  const here = await lookAtCursor(parts)
  if (here?.kind === 'handler') return here.target
  if (here?.kind === 'other') return checkedTarget(parts, here)
  return pickTarget(parts)
}

/** A deployment. @throws RyoFaasError CANCELLED, DEPLOYMENT_NOT_FOUND */
export async function deploymentOf(parts: Parts, argument: unknown): Promise<DeploymentView> {
  await parts.link.refresh()
  mustRun(parts)
  const given = givenTarget(parts, argument) ?? (await deployedAtCursor(parts))
  const name = given?.name ?? (await pickDeployment(parts))
  const deployment = parts.link.deployment(name)
  if (deployment) return deployment
  throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `"${name}" is not deployed`)
}

/** Before anything is asked. @throws RyoFaasError NOT_RUNNING */
export function mustRun({ link }: Pick<Parts, 'link'>): void {
  if (link.snapshot === undefined) throw new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running')
}

/** The one that was made of the function at the cursor, not another one of its name. */
async function deployedAtCursor(parts: Parts): Promise<Target | undefined> {
  const here = await lookAtCursor(parts)
  if (here?.kind !== 'handler') return undefined
  const { name, file } = here.target
  const deployment = parts.link.deployment(name)
  return deployment && deployment.filePath === file ? here.target : undefined
}

function givenTarget({ link }: Parts, argument: unknown): Target | undefined {
  if (typeof argument === 'string') return { name: argument, file: link.deployment(argument)?.filePath }
  const { name, file, subject } = (argument ?? {}) as Partial<Target> & Partial<TreeNode>
  if (typeof name === 'string') return { name, file }
  if (subject?.kind !== 'deployment' && subject?.kind !== 'version') return undefined
  return { name: subject.name, file: link.deployment(subject.name)?.filePath }
}

type AtCursor = { kind: 'handler'; target: Target } | { kind: 'other'; document: vscode.TextDocument; site: Site }

/** The handler, or other export, that the cursor is in. Outside of all, the only handler of a file is meant. */
async function lookAtCursor({ editor, handlers }: Parts): Promise<AtCursor | undefined> {
  const active = editor.window.activeTextEditor
  if (!active) return undefined
  const { document, selection } = active
  const [sites, all] = [await handlers.lensSites(document), await handlers.sites(document)]
  const isHere = ({ candidate: { extent } }: Site) => isWithin(extent, selection.active)
  const other = all.find(isHere)
  const here = sites.find(isHere) ?? (other === undefined && sites.length === 1 ? sites[0] : undefined)
  if (here) return { kind: 'handler', target: { name: here.name, file: document.uri.fsPath } }
  return other && { kind: 'other', document, site: other }
}

/** An export that does not look like a handler, if the checker accepts it: a wrapped one, for instance. */
async function checkedTarget(
  { handlers }: Parts,
  { document, site }: { document: vscode.TextDocument; site: Site },
): Promise<Target> {
  const problems = await handlers.problemsOf(document, site)
  if (problems.length > 0) throw new RyoFaasError('CHECK_FAILED', `"${site.name}" is not a handler`, { problems })
  return { name: site.name, file: document.uri.fsPath }
}

/** Of the handlers of the file that is shown, and of all that are in a deploy.json. */
async function pickTarget({ editor, handlers, projects }: Parts): Promise<Target> {
  await projects.load()
  const shown = editor.window.activeTextEditor?.document
  const fresh = (shown ? await handlers.lensSites(shown) : []).filter(({ entry }) => !entry)
  const item = (name: string, filePath: string, detail: string) => ({
    label: name,
    description: editor.workspace.asRelativePath(filePath),
    detail,
    file: filePath,
  })
  const items = [
    ...fresh.map(({ name }) => item(name, shown!.uri.fsPath, 'not in a deploy.json yet')),
    ...projects.all.flatMap(({ file, entries }) =>
      entries.map(({ name, filePath }) => item(name, filePath, editor.workspace.asRelativePath(file))),
    ),
  ]
  if (items.length === 0) {
    throw new RyoFaasError('DEPLOY_FILE_INVALID', 'no function to deploy was found here', {
      hint: 'Open a file that exports a handler, or create a project with "ryo-faas: New Project".',
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
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', 'nothing is deployed yet', {
      hint: 'Open a file that exports a handler and press "Deploy function".',
    })
  }
  // The editor gives the focus back to a tree that had it as soon as the tree is drawn again: what is asked stays open.
  const options = { placeHolder: 'Which function?', ignoreFocusOut: true }
  return (await chosen(editor.window.showQuickPick(items, options))).label
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
