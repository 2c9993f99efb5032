/**
 * A command is an object that says what it is called, what it needs and what it does. Invariants:
 *
 * 1. Only a command that needs trust gets the parts that run code of the workspace, or what its settings name.
 * 2. A command of a row never acts on anything but that row.
 */
import type { AgentProcess } from '../agent/agent-process.ts'
import type { Deploys } from '../agent/deploys.ts'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { ServerChoice } from '../agent/server-choice.ts'
import type { Handlers } from '../analysis/handlers.ts'
import type { Vscode } from '../editor/editor.ts'
import type { Ui } from '../editor/ui.ts'
import type { Invoker } from '../invoke/invoker.ts'
import type { FunctionLogs } from '../logs/function-logs.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import type { StoreFiles } from '../store/store-files.ts'
import type { DashboardPanel } from '../traces/dashboard-panel.ts'
import type { Tree } from '../tree/tree-view.ts'
import type { Problem } from 'ryo-faas/contract'

/** Everything there is. A command gets what it names. */
export interface Parts {
  editor: Vscode
  ui: Ui
  link: PlatformLink
  servers: ServerChoice
  agent: AgentProcess
  deploys: Deploys
  projects: DeployFiles
  handlers: Handlers
  invoker: Invoker
  logs: FunctionLogs
  dashboard: DashboardPanel
  functions: Tree
  calls: Tree
  store: Tree
  storeFiles: StoreFiles
  /** Shows as many documents of a table as possible. */
  widenTable(table: string): void
  /** Shows what a deploy found wrong in files that may not be open; an empty list clears it. */
  showProblems(problems: readonly Problem[]): void
}

/** What a command names of the parts. */
export type Needs<Name extends keyof Parts> = Pick<Parts, Name>

/** @param argument what it was called with: a lens's target, a row, a file, or nothing (the palette) */
type Run<Given> = (parts: Given, argument: unknown) => unknown

export type Command = {
  /** As in the manifest; a test holds the two together. */
  id: `ryo-faas.${string}`
  /**
   * It is in the menu of rows. While a tree is drawn again, the editor calls it with nothing in place of the row; what
   * the cursor is in is something else then, and must not be stopped or deployed.
   */
  row?: true
} & ({ needsTrust: true; run: Run<Parts> } | { needsTrust: false; run: Run<Omit<Parts, 'agent' | 'deploys'>> })

/** Keeps the command's own type: whatever calls `run` directly has to bring only what the command names. */
export function defineCommand<Own extends Command>(command: Own): Own {
  return command
}
