/**
 * Puts the extension together. Invariants:
 *
 * 1. `activate` awaits nothing; what takes time happens when it is needed.
 * 2. A workspace without handlers costs nothing: no worker, and no search for an agent.
 * 3. Whatever is made here is disposed of with the extension.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as vscode from 'vscode'
import { AgentClient } from 'ryo-faas/client'
import { AgentProcess } from './agent/agent-process.ts'
import { PlatformLink } from './agent/platform-link.ts'
import { noticeUpdates } from './agent/update-notice.ts'
import { ServerChoice } from './agent/server-choice.ts'
import { watchHome } from './agent/watch-home.ts'
import { Analysis, installedTypes } from './analysis/client.ts'
import { Handlers } from './analysis/handlers.ts'
import { warmOnEdit } from './analysis/warm-on-edit.ts'
import { DECLARED_LANGUAGES } from './codelens/declared.ts'
import { HandlerLenses } from './codelens/lens-provider.ts'
import { Deploys } from './agent/deploys.ts'
import type { Parts } from './commands/command.ts'
import { registerCommands } from './commands/register-commands.ts'
import { openFrame } from './commands/traces.ts'
import { DeclaredDiagnostics } from './diagnostics/declared-diagnostics.ts'
import { DeployFileDiagnostics } from './diagnostics/deploy-file-diagnostics.ts'
import { HandlerDiagnostics } from './diagnostics/handler-diagnostics.ts'
import { ProblemList } from './diagnostics/problem-list.ts'
import { Rules } from './diagnostics/rules.ts'
import type { Vscode } from './editor/editor.ts'
import { Invoker, ANSWER_SCHEME } from './invoke/invoker.ts'
import { RequestLenses, Requests, REQUEST_SCHEME } from './invoke/requests.ts'
import { FunctionLogs } from './logs/function-logs.ts'
import { DEPLOY_FILE_PATTERN, DeployFiles } from './project/deploy-files.ts'
import { located } from './project/project-of.ts'
import { Settings } from './editor/settings.ts'
import { STORE_SCHEME, StoreFiles } from './store/store-files.ts'
import { DashboardPanel } from './traces/dashboard-panel.ts'
import { LOG_DOCUMENTS, TraceLinks } from './traces/trace-links.ts'
import { createUi } from './editor/ui.ts'
import { createViews } from './views/create-views.ts'

export interface Host {
  editor: Vscode
  environment: NodeJS.ProcessEnv
  execPath: string
  isElectron: boolean
}

/** For tests inside the editor. */
export interface Extension {
  readonly analysis: Analysis
  readonly handlers: Handlers
  readonly link: PlatformLink
  readonly projects: DeployFiles
  readonly servers: ServerChoice
}

const HANDLER_FILES = ['typescript', 'typescriptreact', 'javascript', 'javascriptreact'].map(language => ({
  language,
  scheme: 'file',
}))
const DECLARED_FILES = DECLARED_LANGUAGES.map(language => ({ language, scheme: 'file' }))
const DEPLOY_FILES = { scheme: 'file', pattern: DEPLOY_FILE_PATTERN }

export function createExtension(host: Host, context: vscode.ExtensionContext): Extension {
  const { editor, environment } = host
  const { subscriptions, extensionPath, workspaceState, globalState } = context
  const own = <T extends vscode.Disposable>(disposable: T): T => {
    subscriptions.push(disposable)
    return disposable
  }
  const log = own(editor.window.createOutputChannel('ryo-faas', { log: true }))
  const ui = createUi(editor, log)
  const settings = new Settings(editor)
  const home = settings.home(environment)

  const analysis = new Analysis({
    entry: pathToFileURL(join(extensionPath, 'dist', 'analysis-worker.mjs')),
    setup: () => ({ types: installedTypes(extensionPath) }),
    onFailure: error => log.error(`the analysis worker died: ${error.stack}`),
  })
  own({ dispose: () => void analysis.close() })
  const projects = own(new DeployFiles(editor))
  const handlers = own(
    new Handlers({
      editor,
      analysis,
      projects,
      delayMs: () => settings.checkDelayMs,
      isEverywhere: () => settings.isEverywhere,
      log: message => log.warn(message),
    }),
  )
  const servers = new ServerChoice({ home, environment, memory: workspaceState })
  const link = new PlatformLink({
    machine: () => servers.machine(),
    watch: onChange =>
      editor.Disposable.from(
        watchHome(home, () => servers.notice()),
        servers.onChange(onChange),
      ),
    located: (deployment, server) => located(deployment, { projects: projects.all, server }),
    log: message => log.info(message),
  })
  own({ dispose: () => link.close() })
  own(projects.onDidChange(() => link.locateAgain()))
  const local = () => AgentClient.connect(home)
  const agent = new AgentProcess({
    extensionPath,
    environment,
    execPath: host.execPath,
    isElectron: host.isElectron,
    home,
    settings: () => settings.agent,
    log: line => log.info(line),
  })
  own(
    noticeUpdates({
      link,
      ui,
      memory: globalState,
      build: () => agent.build(),
      restart: () => editor.commands.executeCommand('ryo-faas.restartFaas'),
    }),
  )
  const deploys = new Deploys(link, agent, {
    local,
    debugFolder: join(home, 'cache', 'debug'),
    variables: environment,
    environment: () => settings.environment,
  })
  const requests = new Requests(editor, workspaceState, name => link.deployment(name)?.kind ?? 'http')
  const invoker = own(new Invoker({ editor, link, requests }))
  const logs = own(new FunctionLogs(editor, link))
  const dashboard = own(
    new DashboardPanel({
      editor,
      door: async () => (await link.machine()).browserDoor(),
      onOpen: frame => void openFrame({ editor, link }, frame).catch((error: Error) => ui.fail(error.message)),
    }),
  )
  own(editor.languages.registerDocumentLinkProvider(LOG_DOCUMENTS, new TraceLinks(editor)))
  const storeFiles = own(new StoreFiles({ editor, ui, door: () => link.store, server: () => link.server }))
  const views = own(createViews({ editor, link, servers, deploys, projects, settings, storeFiles }))
  const rules = new Rules(editor, extensionPath)
  const problems = own(new ProblemList(editor, rules))

  const parts: Parts = {
    editor,
    ui,
    link,
    servers,
    agent,
    deploys,
    projects,
    handlers,
    invoker,
    logs,
    dashboard,
    functions: views.functions,
    calls: views.calls,
    store: views.store,
    widenTable: table => views.widen(table),
    storeFiles,
    showProblems: found => problems.show(found),
  }
  registerCommands(parts).forEach(own)

  const { languages, workspace } = editor
  own(workspace.registerFileSystemProvider(REQUEST_SCHEME, requests))
  own(workspace.registerFileSystemProvider(STORE_SCHEME, storeFiles, { isCaseSensitive: true }))
  own(workspace.registerTextDocumentContentProvider(ANSWER_SCHEME, invoker))
  own(languages.registerCodeLensProvider({ scheme: REQUEST_SCHEME }, new RequestLenses(editor)))

  own(warmOnEdit({ editor, projects, link, deploys }))
  const lenses = own(new HandlerLenses({ editor, handlers, projects, link, deploys }))
  const showLenses = () =>
    languages.registerCodeLensProvider([...HANDLER_FILES, ...DECLARED_FILES, DEPLOY_FILES], lenses)
  own(whileSet(editor, () => settings.hasLenses, showLenses))
  const check = () => {
    const diagnostics = new HandlerDiagnostics({ editor, handlers, projects, rules })
    const warn = (message: string) => log.warn(message)
    const fileDiagnostics = new DeployFileDiagnostics({ editor, analysis, projects, rules, log: warn })
    const declared = new DeclaredDiagnostics({
      ...{ editor, projects, rules, languages: DECLARED_LANGUAGES, log: warn },
      client: local,
    })
    const actions = languages.registerCodeActionsProvider(HANDLER_FILES, diagnostics, {
      providedCodeActionKinds: [editor.CodeActionKind.QuickFix],
    })
    const links = languages.registerDocumentLinkProvider(DEPLOY_FILES, fileDiagnostics)
    handlers.start()
    fileDiagnostics.start()
    declared.start()
    return editor.Disposable.from(diagnostics, fileDiagnostics, declared, actions, links)
  }
  own(whileSet(editor, () => settings.hasChecks, check))
  void projects.load().catch((error: unknown) => log.warn(`the search for deploy.json failed: ${String(error)}`))
  return { analysis, handlers, link, projects, servers }
}

/** Keeps something while a setting is on. */
function whileSet(editor: Vscode, isSet: () => boolean, make: () => vscode.Disposable): vscode.Disposable {
  let made: vscode.Disposable | undefined
  const follow = () => {
    if (isSet()) made ??= make()
    else {
      made?.dispose()
      made = undefined
    }
  }
  const following = editor.workspace.onDidChangeConfiguration(event => {
    if (event.affectsConfiguration('ryo-faas')) follow()
  })
  follow()
  return editor.Disposable.from(following, { dispose: () => void made?.dispose() })
}
