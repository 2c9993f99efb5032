/** The server that the editor works with: choosing one, adding one, and asking before something on it is destroyed. */
import type * as vscode from 'vscode'
import { LOCAL } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import type { AgentProcess } from '../agent/agent-process.ts'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { ServerChoice } from '../agent/server-choice.ts'
import { untilCancelled, type Ui } from '../editor/ui.ts'
import { defineCommand } from './command.ts'

interface ForChoice {
  ui: Pick<Ui, 'ask' | 'pick' | 'progress' | 'say'>
  servers: Pick<ServerChoice, 'choose' | 'known' | 'own'>
  link: Pick<PlatformLink, 'isReady' | 'notRunning' | 'refresh' | 'server'>
  agent: Pick<AgentProcess, 'run'>
}

interface Item extends vscode.QuickPickItem {
  choose(parts: ForChoice): Promise<string | undefined>
}

export const chooseServer = defineCommand({
  id: 'ryo-faas.chooseServer',
  // It runs the command line, to add one.
  needsTrust: true,
  run: async (parts: ForChoice) => {
    const { ui, servers } = parts
    const chosen = await ui.pick(await itemsOf(parts), 'Where do functions run?')
    await servers.choose(await chosen.choose(parts))
    await connect(parts)
  },
})

/** Also the way to connect at once, instead of with the next try. */
export const reconnect = defineCommand({
  id: 'ryo-faas.reconnect',
  needsTrust: false,
  run: (parts: Pick<ForChoice, 'link' | 'ui'>) => connect(parts),
})

/** @throws RyoFaasError SERVER_UNREACHABLE */
async function connect({ link, ui }: Pick<ForChoice, 'link' | 'ui'>): Promise<void> {
  // ssh takes its time for a machine that is silent.
  await ui.progress('Connecting', ({ signal }) => untilCancelled(link.refresh(), signal))
  const { server } = link
  if (server === undefined) return ui.say('Functions run on this machine.')
  if (!link.isReady) throw link.notRunning()
  ui.say(`Functions run on the server ${server} now.`)
}

async function itemsOf({ servers }: ForChoice): Promise<Item[]> {
  const { servers: known, current = LOCAL } = await servers.known()
  const { own } = servers
  const chosen = (name: string | undefined) => (own === name ? ' · chosen' : '')
  const take = (name: string | undefined) => async () => name
  const others = Object.entries(known).map(([name, server]): Item => ({
    label: name,
    description: `${server.kind === 'ssh' ? server.target : server.url}${chosen(name)}`,
    choose: take(name),
  }))
  const shell = current === LOCAL ? 'this machine' : current
  return [
    { label: 'This machine', description: chosen(LOCAL).replace(' · ', ''), choose: take(LOCAL) },
    ...others,
    {
      label: 'As the command line',
      description: `${shell} (ryo-faas server use)${chosen(undefined)}`,
      choose: take(undefined),
    },
    { label: '$(add) Add a server…', description: 'over your own ssh', choose: add },
  ]
}

/** Brings the platform there. @returns the name of the server */
async function add({ ui, agent }: ForChoice): Promise<string> {
  const target = await ui.ask({
    title: 'Add a server',
    prompt: 'user@host, as ssh takes it. The platform of this machine is copied there and started.',
    validateInput: text =>
      /^[^\s-]\S*$/.test(text) ? undefined : 'Write user@host, or a name of your ssh configuration',
  })
  const added = await ui.progress(`Adding ${target}`, ({ signal, report }) =>
    agent.run(['server', 'add', target], signal, report),
  )
  return (added as { name: string }).name
}

/** For what is about this machine. @throws RyoFaasError UNSUPPORTED */
export async function mustBeHere({ link }: { link: Pick<PlatformLink, 'machine'> }): Promise<void> {
  const { server } = await link.machine()
  if (server === undefined) return
  throw new RyoFaasError('UNSUPPORTED', `the platform on the server "${server}" is not started or stopped from here`, {
    hint: 'Choose this machine first, to start or stop its platform.',
  })
}

/** Before something is destroyed that is not of this machine. @throws RyoFaasError CANCELLED, INVALID_REQUEST */
export async function confirmOnServer(
  { link, ui }: { link: Pick<PlatformLink, 'machine'>; ui: Pick<Ui, 'confirm'> },
  { question, button }: { question: string; button: string },
): Promise<void> {
  const { server } = await link.machine()
  if (server === undefined) return
  await ui.confirm(`${question} on the server ${server}?`, { buttons: [button] })
  // A dialog may be open for long, and the command line chooses too.
  if ((await link.machine()).server === server) return
  throw new RyoFaasError('INVALID_REQUEST', 'another server was chosen in the meantime; nothing was done')
}
