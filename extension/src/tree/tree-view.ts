/**
 * Draws nodes of a model as one of the editor's trees. Invariants:
 *
 * 1. A row is the same object for as long as its node keeps its id, so that a click reaches it while the tree changes.
 * 2. Only changed rows are drawn again; all of them only when the roots are different, or when the view is hidden.
 * 3. A source that does not answer is shown as silent, never as empty, and is asked again while the view is visible.
 * 4. One update at a time; changes during one lead to another one.
 */
import { isDeepStrictEqual } from 'node:util'
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'
import type { Subject, TreeNode } from './node.ts'

export interface TreeOptions {
  id: string
  /** If it rejects, the tree says `silent`. */
  nodes(): TreeNode[] | Promise<TreeNode[]>
  /** What is shown while there is no answer. */
  silent?: string
  retryMs?: number
}

const RETRY_MS = 2_000

/** What the editor knows of a node, and passes to the commands of its menu. */
export class Row {
  readonly parent: Row | undefined
  #node: TreeNode
  /** If the node loads them: only while it is unfolded. */
  #children: Row[] | undefined

  constructor(node: TreeNode, parent: Row | undefined) {
    this.parent = parent
    this.#node = node
    if (!node.load) this.#children = node.children?.map(child => new Row(child, this)) ?? []
  }

  get node(): TreeNode {
    return this.#node
  }

  get subject(): Subject | undefined {
    return this.#node.subject
  }

  get children(): readonly Row[] {
    return this.#children ?? []
  }

  /** Takes over what the model says now, and adds the rows that have to be drawn again. */
  become(node: TreeNode, changed: Row[]): void {
    const isOther = !isDeepStrictEqual(faceOf(this.#node), faceOf(node))
    this.#node = node
    // The editor asks for the children of a folded row only after it was told of a change.
    const hasOthers = node.load ? !this.#children : this.#adopt(node.children ?? [], changed)
    if (isOther || hasOthers) changed.push(this)
  }

  /** For a node that loads its children. */
  async unfold(): Promise<Row[]> {
    if (this.#node.load) this.#adopt(await this.#node.load(), [])
    return [...this.children]
  }

  fold(): void {
    if (this.#node.load) this.#children = undefined
  }

  /** Loads again what is unfolded. */
  async reload(changed: Row[]): Promise<void> {
    if (this.#node.load && this.#children && this.#adopt(await this.#node.load(), changed)) changed.push(this)
  }

  /** @returns whether they are different, or in another order */
  #adopt(nodes: readonly TreeNode[], changed: Row[]): boolean {
    const before = this.#children ?? []
    this.#children = reconciled(nodes, { known: before, parent: this, changed })
    return !areTheSame(before, this.#children)
  }
}

export class Tree implements vscode.TreeDataProvider<Row> {
  readonly view: vscode.TreeView<Row>
  readonly onDidChangeTreeData: vscode.Event<Row[] | undefined>
  readonly #editor: Vscode
  readonly #options: TreeOptions
  readonly #changed: vscode.EventEmitter<Row[] | undefined>
  readonly #folding: vscode.Disposable
  #roots: Row[] = []
  #isUpdating = false
  #isOutdated = false
  #retry: NodeJS.Timeout | undefined

  constructor(editor: Vscode, options: TreeOptions) {
    this.#editor = editor
    this.#options = options
    this.#changed = new editor.EventEmitter()
    this.onDidChangeTreeData = this.#changed.event
    this.view = editor.window.createTreeView(options.id, { treeDataProvider: this, showCollapseAll: true })
    this.#folding = this.view.onDidCollapseElement(({ element }) => element.fold())
  }

  refresh(): void {
    // Asked for again when it becomes visible.
    if (!this.view.visible) return this.redraw()
    this.#isOutdated = true
    if (!this.#isUpdating) void this.#update()
  }

  /** Somebody asks for it: also what the editor believes to know. */
  redraw(): void {
    this.#changed.fire(undefined)
  }

  async getChildren(row?: Row): Promise<Row[]> {
    if (row) return row.unfold().catch((error: unknown) => [new Row(this.#silentNode(row.node.id, error), row)])
    const nodes = await this.#nodes()
    return (this.#roots = reconciled(nodes, { known: this.#roots, parent: undefined, changed: [] }))
  }

  getParent(row: Row): Row | undefined {
    return row.parent
  }

  getTreeItem(row: Row): vscode.TreeItem {
    const { TreeItem, TreeItemCollapsibleState: State, ThemeIcon, ThemeColor } = this.#editor
    const { node } = row
    const state =
      !node.load && !node.children?.length ? State.None : node.isCollapsed ? State.Collapsed : State.Expanded
    const item = new TreeItem(node.label, state)
    item.id = node.id
    // Otherwise screen readers read the tooltip in place of the row.
    item.accessibilityInformation = { label: node.spoken ?? [node.label, node.description].filter(Boolean).join(', ') }
    if (node.description !== undefined) item.description = node.description
    if (node.tooltip !== undefined) item.tooltip = node.tooltip
    if (node.context !== undefined) item.contextValue = node.context
    if (node.icon) item.iconPath = new ThemeIcon(node.icon.name, node.icon.color && new ThemeColor(node.icon.color))
    if (node.command)
      item.command = {
        command: node.command.id,
        title: node.command.title,
        arguments: node.command.arguments ?? [row],
      }
    return item
  }

  /** Shows and selects the node with this id. */
  async reveal(id: string): Promise<boolean> {
    const find = (rows: readonly Row[]): Row | undefined => {
      for (const row of rows) {
        const found = row.node.id === id ? row : find(row.children)
        if (found) return found
      }
      return undefined
    }
    const row = find(this.#roots) ?? find(await this.getChildren())
    if (row) await this.view.reveal(row, { select: true, focus: true, expand: true })
    return row !== undefined
  }

  dispose(): void {
    clearTimeout(this.#retry)
    this.#folding.dispose()
    this.view.dispose()
    this.#changed.dispose()
  }

  async #nodes(): Promise<TreeNode[]> {
    clearTimeout(this.#retry)
    try {
      return await this.#options.nodes()
    } catch (error) {
      return [this.#silentNode('', error)]
    }
  }

  /** In place of a source that does not answer; asks again a little later. */
  #silentNode(parentId: string, error: unknown): TreeNode {
    const { silent = 'Not responding', retryMs = RETRY_MS } = this.#options
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.view.visible && this.refresh(), retryMs).unref()
    return {
      id: `silent ${parentId}`,
      label: silent,
      description: 'retrying…',
      tooltip: error instanceof Error ? error.message : String(error),
      icon: { name: 'warning', color: 'charts.yellow' },
      command: { id: 'ryo-faas.refresh', title: 'Try again' },
    }
  }

  async #update(): Promise<void> {
    this.#isUpdating = true
    while (this.#isOutdated) {
      this.#isOutdated = false
      const changed: Row[] = []
      const nodes = await this.#nodes()
      // Not earlier: the editor may have asked meanwhile, and knows those rows.
      const before = this.#roots
      this.#roots = reconciled(nodes, { known: before, parent: undefined, changed })
      for (const row of this.#roots) await row.reload(changed).catch(() => changed.push(row)) // Shown when it is asked for.
      if (!areTheSame(before, this.#roots)) this.#changed.fire(undefined)
      else if (changed.length > 0) this.#changed.fire(changed)
    }
    // In the same turn as the last look at `#isOutdated`, or a change in between would be lost.
    this.#isUpdating = false
  }
}

/** Rows for these nodes: the known ones by their ids, which add themselves to `changed`, and new ones. */
function reconciled(
  nodes: readonly TreeNode[],
  { known, parent, changed }: { known: readonly Row[]; parent: Row | undefined; changed: Row[] },
): Row[] {
  const byId = new Map(known.map(row => [row.node.id, row]))
  return nodes.map(node => {
    const row = byId.get(node.id)
    row?.become(node, changed)
    return row ?? new Row(node, parent)
  })
}

/** What is drawn of a node itself. */
function faceOf({ children, load, ...face }: TreeNode): unknown {
  return { ...face, isLeaf: !load && !children?.length }
}

function areTheSame(before: readonly Row[], now: readonly Row[]): boolean {
  return before.length === now.length && before.every((row, index) => row === now[index])
}
