/** What a tree shows, as plain data: made by the models in `views/`, drawn by `tree-view.ts`. */

export interface TreeNode {
  /** Stays the same as long as the thing does: the editor remembers by it what is unfolded. */
  id: string
  label: string
  description?: string
  tooltip?: string
  /** For screen readers; default: label and description. */
  spoken?: string
  icon?: { name: string; color?: Color }
  /** For the conditions of menus. */
  context?: string
  children?: TreeNode[]
  /** For children that are only fetched when the node is unfolded. */
  load?(): Promise<TreeNode[]>
  isCollapsed?: boolean
  /** Run by a click. */
  command?: { id: string; title: string; arguments?: unknown[] }
  /** What its commands are about. */
  subject?: Subject
}

export type Color = 'testing.iconPassed' | 'testing.iconFailed' | 'charts.yellow' | 'disabledForeground'

/** What the commands of a row are about. */
export type Subject =
  | { kind: 'deployment'; name: string }
  | { kind: 'version'; name: string; version: number }
  | { kind: 'schedule'; name: string; key: string }
  | { kind: 'call'; id: string }
  | { kind: 'table'; table: string }
  /** `version`: the one that is shown. */
  | { kind: 'document'; table: string; id: string; version?: number }
