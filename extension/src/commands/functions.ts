/** What can be done with a deployment. */
import type { AgentClient } from 'ryo-faas/client'
import { RyoFaasError, type DeploymentView } from 'ryo-faas/contract'
import { exportOf } from '../project/deploy-file.ts'
import { formatAge } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'
import { defineCommand, type Needs } from './command.ts'
import { confirmOnServer } from './server.ts'
import { deploymentOf, showFile, type ForDeployment } from './target.ts'

type ForChange = ForDeployment & Needs<'link' | 'ui'>

export const invoke = defineCommand({
  id: 'ryo-faas.invoke',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment & Needs<'invoker'>, argument) => {
    const { name, kind } = await deploymentOf(parts, argument)
    if (kind === 'trigger') {
      throw new RyoFaasError('INVALID_REQUEST', `"${name}" runs on events and cannot be called`, {
        hint: 'Change a document of its table, or publish an event.',
      })
    }
    await parts.invoker.invoke(name)
  },
})

/** Ctrl+Enter and the lens in a request. */
export const sendRequest = defineCommand({
  id: 'ryo-faas.sendRequest',
  needsTrust: false,
  run: async ({ editor, invoker }: Needs<'editor' | 'invoker'>) => {
    const document = editor.window.activeTextEditor?.document
    if (document?.languageId === 'ryo-http') await invoker.send(document)
  },
})

export const logs = defineCommand({
  id: 'ryo-faas.logs',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment & Needs<'logs'>, argument) => {
    parts.logs.show((await deploymentOf(parts, argument)).name)
  },
})

export const openInBrowser = defineCommand({
  id: 'ryo-faas.openInBrowser',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment & Needs<'link'>, argument) => {
    const { url } = await deploymentOf(parts, argument)
    // On a remote machine this forwards the port.
    const uri = await parts.editor.env.asExternalUri(parts.editor.Uri.parse(await reachable(parts, url)))
    await parts.editor.env.openExternal(uri)
  },
})

/** From here: the loopback of a server is elsewhere. */
async function reachable({ link }: Needs<'link'>, address: string): Promise<string> {
  const url = new URL(address)
  if (link.server === undefined || !/^(?:127\.|localhost$|\[::1\]$)/.test(url.hostname)) return address
  const { port } = await (await link.machine()).forward(Number(url.port || 80))
  url.host = `127.0.0.1:${port}`
  return url.href
}

export const copyUrl = defineCommand({
  id: 'ryo-faas.copyUrl',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment, argument) => {
    const { url } = await deploymentOf(parts, argument)
    await parts.editor.env.clipboard.writeText(url)
    parts.editor.window.setStatusBarMessage(`Copied ${url}`, 3000)
  },
})

export const scale = defineCommand({
  id: 'ryo-faas.scale',
  needsTrust: false,
  row: true,
  run: async (parts: ForChange, argument) => {
    const { name, desiredInstances } = await deploymentOf(parts, argument)
    const answer = await parts.ui.ask({
      title: `Scale ${name}`,
      prompt: 'Number of instances: 0 to 100 (0: asleep until it is called), or auto',
      value: String(desiredInstances),
      validateInput: text =>
        /^(?:\d{1,2}|100|auto)$/.test(text) ? undefined : 'Enter a number from 0 to 100, or auto',
    })
    const input = { params: { name }, body: { instances: answer === 'auto' ? answer : Number(answer) } } as const
    await change(parts, `Scaling ${name} to ${answer}`, (client, signal) => client.call('scale', input, signal))
  },
})

export const rollback = defineCommand({
  id: 'ryo-faas.rollback',
  needsTrust: false,
  row: true,
  run: async (parts: ForChange, argument) => {
    const deployment = await deploymentOf(parts, argument)
    const { name } = deployment
    const { subject } = (argument ?? {}) as Partial<TreeNode>
    const version = subject?.kind === 'version' ? subject.version : await pickVersion(parts, deployment)
    await confirmOnServer(parts, { question: `Roll ${name} back to v${version}`, button: 'Roll Back' })
    const input = { params: { name }, body: { version } }
    await change(parts, `Rolling ${name} back to v${version}`, (client, signal) =>
      client.call('rollback', input, signal),
    )
    parts.ui.say(`${name} is back on v${version}.`)
  },
})

async function change(
  { ui, link }: ForChange,
  title: string,
  call: (client: AgentClient, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  await ui.progress(title, async ({ signal }) => call(await link.client(), signal))
  await link.refresh()
}

async function pickVersion({ ui }: ForDeployment, { name, versions }: DeploymentView): Promise<number> {
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
  return (await ui.pick(items, `Which version of ${name}?`)).version
}

export const stop = defineCommand({
  id: 'ryo-faas.stop',
  needsTrust: false,
  row: true,
  run: async (parts: ForChange, argument) => {
    const { name } = await deploymentOf(parts, argument)
    await confirmOnServer(parts, { question: `Stop and remove ${name}`, button: 'Stop and Remove' })
    await change(parts, `Stopping ${name}`, (client, signal) => client.call('stop', { params: { name } }, signal))
    parts.ui.say(`${name} was stopped and removed.`)
  },
})

export const showFunction = defineCommand({
  id: 'ryo-faas.showFunction',
  needsTrust: false,
  run: async (parts: ForDeployment & Needs<'functions'>, argument) => {
    const { name } = await deploymentOf(parts, argument)
    await parts.editor.commands.executeCommand('ryo-faas.functions.focus')
    await parts.functions.reveal(`function ${name}`)
  },
})

export const openSource = defineCommand({
  id: 'ryo-faas.openSource',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment, argument) => {
    const { name, filePath, kind } = await deploymentOf(parts, argument)
    const { document } = await showFile(parts, filePath)
    const sites = await parts.handlers.sites(document)
    const site =
      sites.find(found => found.name === name) ?? sites.find(found => found.candidate.name === exportOf({ kind, name }))
    if (!site) return
    const { line, character } = site.candidate.range.start
    const at = new parts.editor.Position(line, character)
    await showFile(parts, filePath, new parts.editor.Range(at, at))
  },
})

export const setSecret = defineCommand({
  id: 'ryo-faas.setSecret',
  needsTrust: false,
  run: async ({ link, ui }: Needs<'link' | 'ui'>, argument) => {
    const name =
      typeof argument === 'string'
        ? argument
        : await ui.ask({ title: 'Secret', prompt: 'Secret name, as in deploy.json' })
    const prompt = 'Value. Functions get it with their next deploy.'
    const value = await ui.ask({ title: `Secret ${name}`, prompt, password: true })
    const client = await link.client()
    await client.call('setSecret', { params: { name }, body: { value } })
    ui.say(`The secret ${name} is set.`)
  },
})
