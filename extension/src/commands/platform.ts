/** Starting and stopping the platform. */
import type { PlatformView } from 'ryo-faas/contract'
import { chosen } from './target.ts'
import type { Command, Parts } from './parts.ts'

export const startFaas: Command = async parts => {
  const { ui, link } = parts
  await link.refresh()
  if (link.isReady) return ui.say(`ryo-faas is already running at ${link.snapshot!.platform.proxyUrl}`)
  await ui.progress('Starting ryo-faas', progress => parts.deploys.ensurePlatform(progress))
  const platform = link.snapshot?.platform
  if (platform) welcome(parts, platform)
}

/** For machines without Docker: what the user wanted to know is why, and that it works all the same. */
export const startWithoutContainers: Command = async parts => {
  const { ConfigurationTarget, workspace } = parts.editor
  const settings = workspace.getConfiguration('ryo-faas')
  // Where it was set otherwise: a workspace's word counts more than the user's.
  const isOfWorkspace = settings.inspect('engine')?.workspaceValue !== undefined
  const target = isOfWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global
  await settings.update('engine', 'process', target)
  return startFaas(parts, undefined)
}

export const stopFaas: Command = async ({ ui, agent, link }) => {
  const stopped = await ui.progress('Stopping ryo-faas', ({ signal }) => agent.stop({ prune: false }, signal))
  await link.refresh()
  ui.say(
    stopped.length === 0
      ? 'ryo-faas is not running.'
      : 'ryo-faas is stopped. Data and versions are kept for the next start.',
  )
}

export const pruneFaas: Command = async ({ editor, ui, agent, link }) => {
  const really = 'Stop and remove'
  await chosen(
    editor.window.showWarningMessage(
      'Stop ryo-faas and remove all of its data, functions and images?',
      { modal: true },
      really,
    ),
  )
  await ui.progress('Removing ryo-faas', ({ signal }) => agent.stop({ prune: true }, signal))
  await link.refresh()
  ui.say('ryo-faas is stopped and its data was removed.')
}

export const restartFaas: Command = async parts => {
  const { ui, agent, link, deploys } = parts
  await ui.progress('Restarting ryo-faas', async progress => {
    await agent.stop({ prune: false }, progress.signal)
    await link.refresh()
    await deploys.ensurePlatform(progress)
  })
}

function welcome({ ui, editor }: Parts, { engine, engineNote, proxyUrl }: PlatformView): void {
  const dashboard = {
    title: 'Open Dashboard',
    run: () => editor.commands.executeCommand('ryo-faas.openDashboard'),
  }
  if (engine === 'docker') return ui.say(`ryo-faas is running at ${proxyUrl}`, dashboard)
  ui.log.info(engineNote)
  const why = {
    title: 'Why?',
    run: () => void editor.window.showInformationMessage(engineNote, { modal: true }),
  }
  const warning = 'Functions are not isolated from this machine.'
  ui.say(`ryo-faas is running without containers at ${proxyUrl}. ${warning}`, why, dashboard)
}
