/** Starting and stopping the platform. */
import type { PlatformView } from 'ryo-faas/contract'
import { ENGINE_WITHOUT_CONTAINERS } from '../editor/settings.ts'
import { defineCommand, type Needs } from './command.ts'
import { mustBeHere } from './server.ts'

type ForStart = Needs<'editor' | 'ui' | 'link' | 'deploys'>
type ForStop = Needs<'ui' | 'agent' | 'link'>

export const startFaas = defineCommand({
  id: 'ryo-faas.startFaas',
  needsTrust: true,
  run: async (parts: ForStart) => {
    const { ui, link, deploys } = parts
    await mustBeHere(parts)
    await link.refresh()
    if (link.isReady) return ui.say(`ryo-faas is already running at ${link.snapshot!.platform.proxyUrl}`)
    await ui.progress('Starting ryo-faas', progress => deploys.ensurePlatform(progress))
    const platform = link.snapshot?.platform
    if (platform) welcome(parts, platform)
  },
})

/** For machines without Docker: the toast offers the reason, and that functions run anyway. */
export const startWithoutContainers = defineCommand({
  id: 'ryo-faas.startWithoutContainers',
  needsTrust: true,
  run: async (parts: ForStart) => {
    await mustBeHere(parts)
    const { ConfigurationTarget, workspace } = parts.editor
    const settings = workspace.getConfiguration('ryo-faas')
    // Where it was set to something else: the workspace's setting wins over the user's.
    const isOfWorkspace = settings.inspect('engine')?.workspaceValue !== undefined
    const target = isOfWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global
    await settings.update('engine', ENGINE_WITHOUT_CONTAINERS, target)
    return startFaas.run(parts)
  },
})

export const stopFaas = defineCommand({
  id: 'ryo-faas.stopFaas',
  needsTrust: true,
  run: async ({ ui, agent, link }: ForStop) => {
    await mustBeHere({ link })
    const stopped = await ui.progress('Stopping ryo-faas', ({ signal }) => agent.stop({ prune: false }, signal))
    await link.refresh()
    ui.say(
      stopped.length === 0
        ? 'ryo-faas is not running.'
        : 'ryo-faas is stopped. Data and versions are kept for the next start.',
    )
  },
})

export const pruneFaas = defineCommand({
  id: 'ryo-faas.pruneFaas',
  needsTrust: true,
  run: async ({ ui, agent, link }: ForStop) => {
    await mustBeHere({ link })
    const question = 'Stop ryo-faas and remove all of its data, functions and images?'
    await ui.confirm(question, { buttons: ['Stop and Remove'] })
    await ui.progress('Removing ryo-faas', ({ signal }) => agent.stop({ prune: true }, signal))
    await link.refresh()
    ui.say('ryo-faas is stopped and its data was removed.')
  },
})

export const restartFaas = defineCommand({
  id: 'ryo-faas.restartFaas',
  needsTrust: true,
  run: async ({ ui, agent, link, deploys }: ForStop & Needs<'deploys'>) => {
    await mustBeHere({ link })
    await ui.progress('Restarting ryo-faas', async progress => {
      await agent.stop({ prune: false }, progress.signal)
      await link.refresh()
      await deploys.ensurePlatform(progress)
    })
  },
})

function welcome({ ui, editor }: ForStart, { isolation, engineNote, proxyUrl }: PlatformView): void {
  const dashboard = {
    title: 'Open Dashboard',
    run: () => editor.commands.executeCommand('ryo-faas.openDashboard'),
  }
  if (isolation?.warning === undefined) return ui.say(`ryo-faas is running at ${proxyUrl}`, dashboard)
  ui.log.info(engineNote)
  const why = {
    title: 'Why?',
    run: () => void editor.window.showInformationMessage(engineNote, { modal: true }),
  }
  ui.say(`ryo-faas is running at ${proxyUrl}. Functions run ${isolation.label}.`, why, dashboard)
}
