/** Which function a command is about: what it was called with, else the one at the cursor, else the user's choice. */
import { isAbsolute } from 'node:path'
import type * as vscode from 'vscode'
import { RyoFaasError, type DeploymentView } from 'ryo-faas/contract'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Handlers, Site } from '../analysis/handlers.ts'
import { isWithin } from '../editor/range.ts'
import type { Ui } from '../editor/ui.ts'
import type { LoadedFiles } from '../project/deploy-files.ts'
import type { TreeNode } from '../tree/node.ts'
import type { Needs } from './command.ts'

export interface Target {
  name: string
  /** Absolute path of the module; absent if only the deployment is known. */
  file: string | undefined
}

/** What finding a deployment takes. */
export interface ForDeployment extends Needs<'editor'> {
  ui: Pick<Ui, 'pick'>
  link: Pick<PlatformLink, 'deployment' | 'notRunning' | 'refresh' | 'server' | 'snapshot'>
  handlers: Pick<Handlers, 'lensSites' | 'problemsOf' | 'sites'>
}

/** What finding a function takes, deployed or not. */
export interface ForTarget extends ForDeployment {
  projects: Pick<LoadedFiles, 'all' | 'isLoaded'>
}

/**
 * A function in a file, deployed or not.
 * @throws RyoFaasError CANCELLED; CHECK_FAILED if the cursor is in what is not a handler
 */
export async function targetOf(parts: ForTarget, argument: unknown): Promise<Target> {
  const given = givenTarget(parts, argument)
  if (given) return given
  const here = await lookAtCursor(parts)
  if (here?.kind === 'handler') return here.target
  if (here?.kind === 'other') return checkedTarget(parts, here)
  return pickTarget(parts)
}

/** A deployment. @throws RyoFaasError CANCELLED, DEPLOYMENT_NOT_FOUND */
export async function deploymentOf(parts: ForDeployment, argument: unknown): Promise<DeploymentView> {
  await parts.link.refresh()
  mustRun(parts)
  const given = givenTarget(parts, argument) ?? (await deployedAtCursor(parts))
  const name = given?.name ?? (await pickDeployment(parts))
  const deployment = parts.link.deployment(name)
  if (deployment) return deployment
  throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `"${name}" is not deployed`)
}

/** Before anything is asked. @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE */
export function mustRun({ link }: { link: Pick<PlatformLink, 'notRunning' | 'snapshot'> }): void {
  if (link.snapshot === undefined) throw link.notRunning()
}

/** The one that was made from the function at the cursor, not another one with its name. */
async function deployedAtCursor(parts: ForDeployment): Promise<Target | undefined> {
  const here = await lookAtCursor(parts)
  if (here?.kind !== 'handler') return undefined
  const { name, file } = here.target
  const deployment = parts.link.deployment(name)
  return deployment && deployment.filePath === file ? here.target : undefined
}

function givenTarget({ link }: Pick<ForDeployment, 'link'>, argument: unknown): Target | undefined {
  if (typeof argument === 'string') return { name: argument, file: link.deployment(argument)?.filePath }
  const { name, file, subject } = (argument ?? {}) as Partial<Target> & Partial<TreeNode>
  if (typeof name === 'string') return { name, file }
  if (subject === undefined || !('name' in subject)) return undefined
  return { name: subject.name, file: link.deployment(subject.name)?.filePath }
}

type AtCursor = { kind: 'handler'; target: Target } | { kind: 'other'; document: vscode.TextDocument; site: Site }

/** The handler, or other export, that the cursor is in. Outside of all of them, a file's only handler is meant. */
async function lookAtCursor({ editor, handlers }: ForDeployment): Promise<AtCursor | undefined> {
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
  { handlers }: ForDeployment,
  { document, site }: { document: vscode.TextDocument; site: Site },
): Promise<Target> {
  const problems = await handlers.problemsOf(document, site)
  if (problems.length > 0) throw new RyoFaasError('CHECK_FAILED', `"${site.name}" is not a handler`, { problems })
  return { name: site.name, file: document.uri.fsPath }
}

/** One of the handlers in the file that is shown, or of all that are in a deploy.json. */
async function pickTarget({ editor, ui, handlers, projects }: ForTarget): Promise<Target> {
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
  const { label, file } = await ui.pick(items, 'Which function?')
  return { name: label, file }
}

async function pickDeployment({ ui, link }: ForDeployment): Promise<string> {
  const items = (link.snapshot?.deployments ?? []).map(({ name, version, state, kind }) => ({
    label: name,
    description: `v${version} · ${state} · ${kind}`,
  }))
  if (items.length === 0) {
    throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', 'nothing is deployed yet', {
      hint: 'Open a file that exports a handler and press "Deploy function".',
    })
  }
  return (await ui.pick(items, 'Which function?')).label
}

export function noDeployFile(): RyoFaasError {
  return new RyoFaasError('DEPLOY_FILE_INVALID', 'this workspace has no deploy.json', {
    hint: 'Press "Deploy function" above a handler to create one.',
  })
}

/** @throws RyoFaasError INVALID_REQUEST if the file is on a server */
export async function showFile(
  { editor }: Needs<'editor'>,
  file: string,
  selection?: vscode.Range,
): Promise<vscode.TextEditor> {
  if (!isAbsolute(file)) throw new RyoFaasError('INVALID_REQUEST', `${file} is not in this workspace`)
  const document = await editor.workspace.openTextDocument(editor.Uri.file(file))
  return editor.window.showTextDocument(document, { ...(selection && { selection }) })
}
