/** What can be done with a deployment. */
import { RyoFaasError, type DeploymentView } from 'ryo-faas/contract'
import { exportOf } from '../project/deploy-file.ts'
import { formatAge } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'
import type { Command, Parts } from './parts.ts'
import { chosen, deploymentOf, showFile } from './target.ts'

export const invoke: Command = async (parts, argument) => {
  const { name, kind } = await deploymentOf(parts, argument)
  if (kind === 'trigger') {
    throw new RyoFaasError('UNSUPPORTED', `"${name}" runs on document changes and cannot be called`, {
      hint: 'Change a document of its table.',
    })
  }
  await parts.invoker.invoke(name)
}

/** Ctrl+Enter and the lens in a request. */
export const sendRequest: Command = async ({ editor, invoker }) => {
  const document = editor.window.activeTextEditor?.document
  if (document?.languageId === 'ryo-http') await invoker.send(document)
}

export const logs: Command = async (parts, argument) => {
  parts.logs.show((await deploymentOf(parts, argument)).name)
}

export const openInBrowser: Command = async (parts, argument) => {
  const { url } = await deploymentOf(parts, argument)
  // On a remote machine this forwards the port.
  const uri = await parts.editor.env.asExternalUri(parts.editor.Uri.parse(url))
  await parts.editor.env.openExternal(uri)
}

export const copyUrl: Command = async (parts, argument) => {
  const { url } = await deploymentOf(parts, argument)
  await parts.editor.env.clipboard.writeText(url)
  parts.editor.window.setStatusBarMessage(`Copied ${url}`, 3000)
}

export const scale: Command = async (parts, argument) => {
  const { name, desiredInstances } = await deploymentOf(parts, argument)
  const answer = await chosen(
    parts.editor.window.showInputBox({
      title: `Scale ${name}`,
      prompt: 'Number of instances, 1 to 100',
      value: String(desiredInstances),
      validateInput: text => (/^(?:[1-9]\d?|100)$/.test(text) ? undefined : 'a number from 1 to 100'),
    }),
  )
  await parts.ui.progress(`Scaling ${name} to ${answer}`, async ({ signal }) => {
    const client = await parts.link.client()
    await client.call('scale', { params: { name }, body: { instances: Number(answer) } }, signal)
  })
  await parts.link.refresh()
}

export const rollback: Command = async (parts, argument) => {
  const deployment = await deploymentOf(parts, argument)
  const { name } = deployment
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  const version = subject?.kind === 'version' ? subject.version : await pickVersion(parts, deployment)
  await parts.ui.progress(`Rolling ${name} back to v${version}`, async ({ signal }) => {
    const client = await parts.link.client()
    await client.call('rollback', { params: { name }, body: { version } }, signal)
  })
  await parts.link.refresh()
  parts.ui.say(`${name} is back on v${version}.`)
}

async function pickVersion({ editor }: Parts, { name, versions }: DeploymentView): Promise<number> {
  const items = versions
    .filter(({ active }) => !active)
    .sort((a, b) => b.version - a.version)
    .map(({ version, createdAt, hash }) => ({
      label: `v${version}`,
      description: `${formatAge(createdAt, Date.now())} · ${hash.slice(0, 8)}`,
      version,
    }))
  if (items.length === 0) {
    throw new RyoFaasError('VERSION_NOT_FOUND', `"${name}" has no other version to go back to`)
  }
  return (
    await chosen(editor.window.showQuickPick(items, { placeHolder: `Which version of ${name}?`, ignoreFocusOut: true }))
  ).version
}

export const stop: Command = async (parts, argument) => {
  const { name } = await deploymentOf(parts, argument)
  await parts.ui.progress(`Stopping ${name}`, async ({ signal }) => {
    const client = await parts.link.client()
    await client.call('stop', { params: { name } }, signal)
  })
  await parts.link.refresh()
  parts.ui.say(`${name} was stopped and removed.`)
}

export const showFunction: Command = async (parts, argument) => {
  const { name } = await deploymentOf(parts, argument)
  await parts.editor.commands.executeCommand('ryo-faas.functions.focus')
  await parts.functions.reveal(`function ${name}`)
}

export const openSource: Command = async (parts, argument) => {
  const { name, filePath, kind } = await deploymentOf(parts, argument)
  const { document } = await showFile(parts, filePath)
  const sites = await parts.handlers.sites(document)
  const site = sites.find(({ candidate }) => candidate.name === exportOf({ kind, name }))
  if (!site) return
  const { line, character } = site.candidate.range.start
  const at = new parts.editor.Position(line, character)
  await showFile(parts, filePath, new parts.editor.Range(at, at))
}

export const setSecret: Command = async ({ editor, link, ui }, argument) => {
  const { window } = editor
  const name =
    typeof argument === 'string'
      ? argument
      : await chosen(window.showInputBox({ title: 'Secret', prompt: 'Secret name, as in deploy.json' }))
  const prompt = 'Value. Functions get it with their next deploy.'
  const value = await chosen(window.showInputBox({ title: `Secret ${name}`, prompt, password: true }))
  const client = await link.client()
  await client.call('setSecret', { params: { name }, body: { value } })
  ui.say(`The secret ${name} is set.`)
}
