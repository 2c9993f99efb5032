/** What a tree shows, as plain data: made by the views' models, drawn by `tree/`. */
import type { CallStatusNode, DeploymentNode, DocumentNode, TableNode, VersionNode } from './subjects.ts'

export interface TreeNode {
  /** Stays the same while the thing does: the editor keeps what is unfolded by it. */
  id: string
  label: string
  description?: string
  tooltip?: string
  /** For screen readers; default: label and description. */
  spoken?: string
  icon?: { name: string; color?: Color }
  /** Tells menus what it is. */
  context?: string
  children?: TreeNode[]
  /** For children that are only fetched when somebody unfolds the node. */
  load?(): Promise<TreeNode[]>
  isCollapsed?: boolean
  /** Run by a click. */
  command?: { id: string; title: string; arguments?: unknown[] }
  /** What commands on it are about. */
  subject?: Subject
}

export type Color = 'testing.iconPassed' | 'testing.iconFailed' | 'charts.yellow' | 'disabledForeground' | 'charts.blue'

export type Subject = DeploymentNode | VersionNode | CallStatusNode | TableNode | DocumentNode
