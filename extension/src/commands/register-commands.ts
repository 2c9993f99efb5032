/** The one table of commands, and how each is registered. */
import type * as vscode from 'vscode'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Button } from '../editor/ui.ts'
import { cancelCall, redriveAllCalls, redriveCall, showCall } from './calls.ts'
import type { Command, Parts } from './command.ts'
import { deployAndDebug } from './debug.ts'
import { addToDeployFile, deploy, deployFile } from './deploy.ts'
import { chooseEnvironment } from './environment.ts'
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
import { pruneFaas, restartFaas, startFaas, startWithoutContainers, stopFaas } from './platform.ts'
import { init, openDeployFile, refresh, showOutput } from './project.ts'
import { chooseServer, reconnect } from './server.ts'
import { runnable } from './runnable.ts'
import { pauseSchedule, resumeSchedule, runSchedule } from './schedules.ts'
import { deleteDocument, moreDocuments, newDocument, openDocument, openStore } from './store.ts'
import { openDashboard, showSlowestCall, showTrace, showTraces } from './traces.ts'

export const COMMANDS: readonly Command[] = [
  startFaas,
  startWithoutContainers,
  stopFaas,
  restartFaas,
  pruneFaas,
  deploy,
  deployFile,
  deployAndDebug,
  addToDeployFile,
  chooseEnvironment,
  chooseServer,
  reconnect,
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
  runSchedule,
  pauseSchedule,
  resumeSchedule,
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
]

export function registerCommands(parts: Parts): vscode.Disposable[] {
  const { editor, ui } = parts
  const remedies = (error: RyoFaasError) => remediesFor(parts, error)
  return COMMANDS.map(command => {
    const handler = (...args: unknown[]) => {
      if (command.needsTrust && !editor.workspace.isTrusted) throw new NotTrusted()
      if (command.row && args.length > 0 && args[0] == null) throw new RowChanged()
      return command.run(parts, args[0])
    }
    return editor.commands.registerCommand(command.id, runnable(command.id, handler, { ui, remedies }))
  })
}

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

/** Buttons next to an error: what to do about it, if there is something. */
function remediesFor(parts: Parts, error: RyoFaasError): Button[] {
  const { editor } = parts
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
  const another = run('Choose Server', 'ryo-faas.chooseServer')
  switch (error.code) {
    case 'NOT_RUNNING':
      // On a server it is not started from here.
      return parts.link.server === undefined ? [run('Start', 'ryo-faas.startFaas')] : [another]
    case 'SERVER_UNREACHABLE':
    case 'SERVER_NOT_FOUND':
      return [another]
    case 'UNSUPPORTED':
      return parts.link.server === undefined ? [] : [another]
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
