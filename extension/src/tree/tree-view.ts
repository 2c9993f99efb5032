/** Draws nodes of a model as one of the editor's trees. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor.ts'
import type { TreeNode } from '../views/node.ts'

export interface TreeOptions {
  id: string
  nodes(): TreeNode[] | Promise<TreeNode[]>
}

export class Tree implements vscode.TreeDataProvider<TreeNode> {
  readonly view: vscode.TreeView<TreeNode>
  readonly onDidChangeTreeData: vscode.Event<undefined>
  readonly #editor: Vscode
  readonly #options: TreeOptions
  readonly #changed: vscode.EventEmitter<undefined>
  readonly #parents = new WeakMap<TreeNode, TreeNode>()
  #roots: TreeNode[] = []

  constructor(editor: Vscode, options: TreeOptions) {
    this.#editor = editor
    this.#options = options
    this.#changed = new editor.EventEmitter()
    this.onDidChangeTreeData = this.#changed.event
    this.view = editor.window.createTreeView(options.id, { treeDataProvider: this, showCollapseAll: true })
  }

  refresh(): void {
    this.#changed.fire(undefined)
  }

  async getChildren(node?: TreeNode): Promise<TreeNode[]> {
    if (node?.load) {
      const children = await node.load()
      for (const child of children) this.#parents.set(child, node)
      return children
    }
    if (node) return node.children ?? []
    this.#roots = await this.#options.nodes()
    const adopt = (parent: TreeNode): void => {
      for (const child of parent.children ?? []) {
        this.#parents.set(child, parent)
        adopt(child)
      }
    }
    this.#roots.forEach(adopt)
    return this.#roots
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return this.#parents.get(node)
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const { TreeItem, TreeItemCollapsibleState: State, ThemeIcon, ThemeColor } = this.#editor
    const state =
      !node.load && !node.children?.length ? State.None : node.isCollapsed ? State.Collapsed : State.Expanded
    const item = new TreeItem(node.label, state)
    item.id = node.id
    if (node.description !== undefined) item.description = node.description
    if (node.tooltip !== undefined) item.tooltip = node.tooltip
    if (node.context !== undefined) item.contextValue = node.context
    if (node.icon) item.iconPath = new ThemeIcon(node.icon.name, node.icon.color && new ThemeColor(node.icon.color))
    if (node.command)
      item.command = {
        command: node.command.id,
        title: node.command.title,
        arguments: node.command.arguments ?? [node],
      }
    return item
  }

  /** Shows and selects the node with this id. */
  async reveal(id: string): Promise<boolean> {
    await this.getChildren()
    const find = (nodes: TreeNode[]): TreeNode | undefined => {
      for (const node of nodes) {
        const found = node.id === id ? node : find(node.children ?? [])
        if (found) return found
      }
      return undefined
    }
    const node = find(this.#roots)
    if (node) await this.view.reveal(node, { select: true, focus: true, expand: true })
    return node !== undefined
  }

  dispose(): void {
    this.view.dispose()
    this.#changed.dispose()
  }
}
