/** The one table of commands. Ids are those of the manifest without `ryo-faas.`; a test holds the two together. */
import type * as vscode from 'vscode'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Button } from '../editor/ui.ts'
import { cancelCall, redriveAllCalls, redriveCall, showCall } from './calls.ts'
import { deployAndDebug } from './debug.ts'
import { addToDeployFile, deploy, deployFile } from './deploy.ts'
import {
  copyUrl,
  invoke,
  logs,
  openInBrowser,
  openSource,
  rollback,
  scale,
  sendRequest,
  setSecret,
  showFunction,
  stop,
} from './functions.ts'
import type { Command, Parts } from './parts.ts'
import { pruneFaas, restartFaas, startFaas, startWithoutContainers, stopFaas } from './platform.ts'
import { init, openDeployFile, refresh, showOutput } from './project.ts'
import { runnable } from './run-command.ts'
import { deleteDocument, moreDocuments, newDocument, openDocument, openStore } from './store.ts'
import { openDashboard, showSlowestCall, showTrace, showTraces } from './traces.ts'

export const COMMANDS: Record<string, Command> = {
  startFaas,
  startWithoutContainers,
  stopFaas,
  restartFaas,
  pruneFaas,
  deploy,
  deployFile,
  deployAndDebug,
  addToDeployFile,
  invoke,
  sendRequest,
  logs,
  openDashboard,
  showTraces,
  showSlowestCall,
  showTrace,
  openInBrowser,
  copyUrl,
  scale,
  rollback,
  stop,
  showFunction,
  openSource,
  setSecret,
  showCall,
  redriveCall,
  redriveAllCalls,
  cancelCall,
  openStore,
  openDocument,
  moreDocuments,
  newDocument,
  deleteDocument,
  init,
  openDeployFile,
  showOutput,
  refresh,
}

export function registerCommands(parts: Parts): vscode.Disposable[] {
  const { editor, ui } = parts
  return Object.entries(COMMANDS).map(([name, command]) => {
    const id = `ryo-faas.${name}`
    const handler = (...args: unknown[]) => {
      if (RUNS.has(name) && !editor.workspace.isTrusted) throw new NotTrusted()
      if (OF_ROWS.has(name) && args.length > 0 && args[0] == null) throw new RowChanged()
      return command(parts, args[0])
    }
    const remedies = (error: RyoFaasError) => remediesFor(parts, error)
    return editor.commands.registerCommand(id, runnable(id, handler, { ui, remedies }))
  })
}

/** Commands that run what stands in the workspace, or what its settings name. */
const RUNS = new Set([
  ...['startFaas', 'startWithoutContainers', 'restartFaas', 'stopFaas', 'pruneFaas'],
  ...['deploy', 'deployFile', 'deployAndDebug', 'init'],
])

/**
 * Commands of a row in a tree. While the tree is drawn anew, the editor calls them with nothing in place of the row; to
 * take what the cursor is in for it would stop or deploy something else.
 */
const OF_ROWS = new Set([
  ...['deploy', 'deployAndDebug', 'invoke', 'logs', 'scale', 'rollback', 'stop', 'showTraces', 'showSlowestCall'],
  ...['openInBrowser', 'copyUrl', 'openSource', 'redriveCall', 'cancelCall', 'deleteDocument', 'showTrace'],
])

class RowChanged extends RyoFaasError {
  constructor() {
    super('INVALID_REQUEST', 'the list has just changed', { hint: 'Please try again.' })
  }
}

class NotTrusted extends RyoFaasError {
  constructor() {
    super('INVALID_REQUEST', 'this workspace is not trusted, so ryo-faas will not run its code')
  }
}

/** Buttons beside a failure: the way on, where there is one. */
function remediesFor({ editor }: Parts, error: RyoFaasError): Button[] {
  const run = (title: string, command: string, ...args: unknown[]): Button => ({
    title,
    run: () => editor.commands.executeCommand(command, ...args),
  })
  if (error instanceof NotTrusted) return [run('Manage Trust', 'workbench.trust.manage')]
  const [problem] = error.problems ?? []
  if (problem) {
    const at = new editor.Position(problem.line - 1, problem.column - 1)
    const selection = new editor.Range(at, at)
    const show = run('Show Problem', 'vscode.open', editor.Uri.file(problem.file), { selection })
    const isOfSecret = problem.code === 'missing-secret' && problem.subject !== undefined
    return isOfSecret ? [run('Set Secret', 'ryo-faas.setSecret', problem.subject), show] : [show]
  }
  switch (error.code) {
    case 'NOT_RUNNING':
      return [run('Start', 'ryo-faas.startFaas')]
    case 'DOCKER_UNREACHABLE':
    case 'BASE_IMAGE_UNAVAILABLE':
      return [run('Run without containers', 'ryo-faas.startWithoutContainers')]
    case 'PORT_TAKEN':
    case 'INVALID_OPTION':
      return [run('Settings', 'workbench.action.openSettings', 'ryo-faas')]
    case 'SECRET_NOT_FOUND':
      return [run('Set Secret', 'ryo-faas.setSecret')]
    default:
      return []
  }
}
