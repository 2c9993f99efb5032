/** The views in the side bar and the item in the status bar, kept up to date with the platform. */
import type * as vscode from 'vscode'
import { CallsClient, StoreClient } from 'ryo-faas/client'
import type { PlatformLink, LinkState } from '../agent/platform-link.ts'
import type { Deploys } from '../agent/deploys.ts'
import type { ServerChoice } from '../agent/server-choice.ts'
import type { Vscode } from '../editor/editor.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import type { Settings } from '../editor/settings.ts'
import { Tree } from '../tree/tree-view.ts'
import { callLists, callNodes } from './calls-view.ts'
import { STORE_SCHEME, type StoreFiles } from '../store/store-files.ts'
import { FollowedStream } from './followed-stream.ts'
import { storeNodes } from './store-view.ts'
import { functionNodes } from './functions-view.ts'
import { platformNodes } from './platform-view.ts'
import { environmentText, serverText, statusText, type StatusText } from './status-item.ts'

export interface ViewsOptions {
  editor: Vscode
  link: PlatformLink
  servers: ServerChoice
  deploys: Deploys
  projects: DeployFiles
  settings: Settings
  storeFiles: StoreFiles
}

export interface Views extends vscode.Disposable {
  functions: Tree
  calls: Tree
  store: Tree
  /** Shows as many documents of a table as possible. */
  widen(table: string): void
}

export function createViews(options: ViewsOptions): Views {
  const { editor, link, servers, deploys, projects, settings, storeFiles } = options
  let dockerMissing: string | undefined
  const isOpen = (path: string) => editor.workspace.getWorkspaceFolder(editor.Uri.file(path)) !== undefined
  const activityOf = (name: string) => deploys.activityOf(name)
  const platform = new Tree(editor, { id: 'ryo-faas.platform', nodes: () => platformNodes(link.state) })
  const functions = new Tree(editor, {
    id: 'ryo-faas.functions',
    nodes: () => functionNodes({ link: link.state, activityOf, isOpen, dockerMissing, now: Date.now() }),
  })
  const proxy = () => (link.isReady ? link.proxy : undefined)
  const calls = new Tree(editor, {
    id: 'ryo-faas.calls',
    silent: 'The proxy does not respond',
    nodes: async () => callNodes(await callLists(proxy()), Date.now()),
  })
  const callChanges = new FollowedStream({
    open: (door, signal) => new CallsClient(door, signal).changes(),
    onChange: () => calls.refresh(),
  })
  const wide = new Set<string>()
  const store = new Tree(editor, {
    id: 'ryo-faas.store',
    silent: 'The store does not respond',
    nodes: () => storeNodes(link.store, wide),
  })
  const storeChanges = new FollowedStream({
    open: (door, signal) => new StoreClient(door, signal).changes(),
    onChange: signals => {
      store.refresh()
      storeFiles.notice(signals?.flatMap(placeIn))
    },
  })
  const followStreams = () => {
    callChanges.follow(calls.view.visible ? proxy() : undefined)
    const isOpen = editor.workspace.textDocuments.some(({ uri }) => uri.scheme === STORE_SCHEME)
    storeChanges.follow(store.view.visible || isOpen ? link.store : undefined)
  }
  const status = editor.window.createStatusBarItem('ryo-faas.status', editor.StatusBarAlignment.Left, 0)
  status.name = 'ryo-faas'

  const showStatus = () => {
    const said = settings.hasStatusBar ? statusText(link.state) : undefined
    if (!said) return status.hide()
    status.text = said.text
    status.tooltip = said.tooltip
    // Otherwise screen readers read the name of the icon.
    status.accessibilityInformation = { label: said.tooltip, role: 'button' }
    status.command = said.command
    status.backgroundColor = said.isWarning ? new editor.ThemeColor('statusBarItem.warningBackground') : undefined
    status.show()
  }
  const environment = choiceItem(editor, { id: 'ryo-faas.environment', command: 'ryo-faas.chooseEnvironment' })
  const showEnvironment = () => {
    const known = projects.all.flatMap(({ environments }) => environments)
    show(environment, settings.hasStatusBar ? environmentText(settings.environment, known) : undefined)
  }
  const server = choiceItem(editor, { id: 'ryo-faas.server', command: 'ryo-faas.chooseServer' })
  const showServer = async () => {
    // Before that nobody asked for a platform, and nothing is read.
    if (link.state.kind === 'unknown') return
    const known = await servers.known().catch(() => undefined)
    const hasServers = Object.keys(known?.servers ?? {}).length > 0
    show(server, settings.hasStatusBar ? serverText(link.server, hasServers) : undefined)
  }
  const setContext = (key: string, value: unknown) =>
    void editor.commands.executeCommand('setContext', `ryo-faas.${key}`, value)
  const change = () => {
    platform.refresh()
    functions.refresh()
    followStreams()
    showStatus()
    void showServer()
    setContext('platform', contextOf(link.state))
    setContext('server', link.server ?? '')
    setContext('hasFunctions', (link.snapshot?.deployments.length ?? 0) > 0)
  }
  const setProjects = () => {
    setContext('hasDeployFile', projects.all.length > 0)
    setContext(
      'deployFiles',
      projects.all.map(({ file }) => file),
    )
    showEnvironment()
    // With a deploy.json in the workspace, the state of the platform matters.
    if (projects.all.length > 0) link.follow()
  }
  const look = ({ visible }: { visible: boolean }) => {
    if (visible) link.follow()
    followStreams()
  }
  const disposables = [
    platform,
    functions,
    calls,
    store,
    status,
    environment,
    server,
    callChanges,
    storeChanges,
    link.onChange(change),
    servers.onChange(() => void showServer()),
    deploys.onChange(() => functions.refresh()),
    deploys.onStart(error => {
      dockerMissing = error?.code === 'DOCKER_UNREACHABLE' ? error.message : undefined
      functions.refresh()
    }),
    projects.onDidChange(setProjects),
    editor.workspace.onDidChangeConfiguration(() => {
      showStatus()
      showEnvironment()
      void showServer()
    }),
    editor.workspace.onDidOpenTextDocument(followStreams),
    editor.workspace.onDidCloseTextDocument(followStreams),
    ...[platform, functions, calls, store].map(({ view }) => view.onDidChangeVisibility(look)),
  ]
  setContext('platform', 'unknown')
  const widen = (table: string) => {
    wide.add(table)
    store.refresh()
  }
  return { functions, calls, store, widen, dispose: () => disposables.forEach(disposable => void disposable.dispose()) }
}

/** One that says what was chosen, and leads to the choice. */
function choiceItem(editor: Vscode, { id, command }: { id: string; command: string }): vscode.StatusBarItem {
  const item = editor.window.createStatusBarItem(id, editor.StatusBarAlignment.Left, 0)
  item.name = id.replace('.', ': ')
  item.command = command
  return item
}

function show(item: vscode.StatusBarItem, said: Pick<StatusText, 'text' | 'tooltip'> | undefined): void {
  if (!said) return item.hide()
  item.text = said.text
  item.tooltip = said.tooltip
  item.accessibilityInformation = { label: said.tooltip, role: 'button' }
  item.show()
}

function contextOf(state: LinkState): string {
  if (state.kind !== 'connected') return state.kind
  return state.platform.phase.kind === 'ready' ? 'running' : state.platform.phase.kind
}

/** The document that a change is about: the data of the CloudEvent has its place. */
function placeIn(signal: unknown): { table: string; id: string }[] {
  const { table, id } = ((signal as { data?: unknown }).data ?? {}) as { table?: unknown; id?: unknown }
  return typeof table === 'string' && typeof id === 'string' ? [{ table, id }] : []
}
