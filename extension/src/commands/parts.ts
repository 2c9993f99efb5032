import type * as vscode from 'vscode'
import type { AgentProcess } from '../agent/agent-process.ts'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Handlers } from '../analysis/handlers.ts'
import type { Vscode } from '../editor/editor.ts'
import type { Invoker } from '../invoke/invoker.ts'
import type { FunctionLogs } from '../logs/function-logs.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import type { DashboardPanel } from '../traces/dashboard-panel.ts'
import type { StoreFiles } from '../store/store-files.ts'
import type { Tree } from '../tree/tree-view.ts'
import type { Ui } from '../editor/ui.ts'
import type { Problem } from 'ryo-faas/contract'
import type { Deploys } from '../agent/deploys.ts'

/** What commands work with. */
export interface Parts {
  editor: Vscode
  ui: Ui
  link: PlatformLink
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
  /** Shows as many documents of a table as can be shown. */
  widenTable(table: string): void
  storeFiles: StoreFiles
  memory: vscode.Memento
  /** Shows what a deploy found wrong in files that may not be open; an empty list takes it away. */
  showProblems(problems: readonly Problem[]): void
}

/** A command gets what it was called with: a lens's target, a tree node, a file, or nothing (the palette). */
export type Command = (parts: Parts, argument: unknown) => unknown
