import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import type { TreeNode } from './node.ts'
import { Row, Tree } from './tree-view.ts'
import { until } from '../testing/until.ts'

class Item {
  label: string
  constructor(label: string) {
    this.label = label
  }
}

let nodes: TreeNode[]
let told: (string[] | 'all')[]
let view: { visible: boolean; collapse(row: Row): void }
let tree: Tree
let isSilent: boolean
/** What the source waits for before it answers. */
let pause: Promise<void> | undefined

beforeEach(() => {
  nodes = [{ id: 'group', label: 'HTTP', children: [functionNode('a'), functionNode('b')] }]
  told = []
  const folded = new EventEmitter()
  view = { visible: true, collapse: row => void folded.emit('fold', { element: row }) }
  const editor = new FakeEditor({
    TreeItem: Item,
    TreeItemCollapsibleState: { None: 0, Collapsed: 1, Expanded: 2 },
    ThemeIcon: Item,
    ThemeColor: Item,
    window: {
      createTreeView: () =>
        Object.assign(view, {
          onDidCollapseElement: (listener: () => void) => {
            folded.on('fold', listener)
            return { dispose: () => undefined }
          },
          dispose: () => undefined,
        }),
    },
  }).api
  isSilent = false
  pause = undefined
  tree = new Tree(editor, {
    id: 'x',
    silent: 'The store does not respond',
    retryMs: 5,
    nodes: async () => {
      if (isSilent) throw new Error('timed out')
      await pause
      return nodes.map(node => ({ ...node }))
    },
  })
  tree.onDidChangeTreeData(rows => told.push(rows?.map(({ node }) => node.id) ?? 'all'))
})

function functionNode(name: string, description = 'v1'): TreeNode {
  return { id: name, label: name, description, subject: { kind: 'deployment', name }, children: [] }
}

afterEach(() => tree.dispose())

async function refreshed(): Promise<(string[] | 'all')[]> {
  told.length = 0
  tree.refresh()
  await new Promise(resolve => setImmediate(resolve))
  return told
}

async function shown(): Promise<Row[]> {
  const [group] = await tree.getChildren()
  return [group!, ...(await tree.getChildren(group))]
}

test('a row that changes stays the same row, and it alone is drawn again', async () => {
  const [, a, b] = await shown()
  nodes[0]!.children = [functionNode('a', 'v1 · 1 call'), functionNode('b')]
  expect(await refreshed()).toEqual([['a']])
  expect(await shown()).toEqual([expect.anything(), a, b])
  expect([a!.node.description, a!.subject]).toEqual(['v1 · 1 call', { kind: 'deployment', name: 'a' }])
})

test('a row stays the same one when the editor asks while an update is under way', async () => {
  let goOn!: () => void
  pause = new Promise(resolve => (goOn = resolve))
  tree.refresh()
  pause = undefined
  const [group, a] = await shown()
  goOn()
  await new Promise(resolve => setImmediate(resolve))
  expect(told).toEqual([])
  expect(await shown()).toEqual([group, a, expect.anything()])
  expect((await shown())[0]).toBe(group)
})

test('what has not changed is drawn again if somebody asks for that', async () => {
  await shown()
  told.length = 0
  tree.redraw()
  expect(told).toEqual(['all'])
})

test('what has not changed is not drawn again', async () => {
  await shown()
  expect(await refreshed()).toEqual([])
})

test('a row that comes is drawn with those beside it, which stay; one that comes to the roots with all', async () => {
  const [, a] = await shown()
  nodes[0]!.children!.push(functionNode('c'))
  expect(await refreshed()).toEqual([['group']])
  expect((await shown())[1]).toBe(a)
  nodes = [...nodes, { id: 'other', label: 'Async', children: [functionNode('d')] }]
  expect(await refreshed()).toEqual(['all'])
  expect((await shown())[1]).toBe(a)
})

test('what is loaded is loaded again while it is unfolded, and only told of while it is folded', async () => {
  let loads = 0
  let documents = ['v1', 'v1']
  const load = async () => {
    loads++
    return documents.map((description, index) => functionNode(`document ${index}`, description))
  }
  nodes = [{ id: 'table', label: 'notes', isCollapsed: true, load }]
  const [table] = await tree.getChildren()
  expect(await refreshed()).toEqual([['table']])
  expect(loads).toBe(0)
  const [first] = await tree.getChildren(table)
  documents = ['v2', 'v1']
  expect(await refreshed()).toEqual([['document 0']])
  expect(first!.node.description).toBe('v2')
  view.collapse(table!)
  loads = 0
  expect(await refreshed()).toEqual([['table']])
  expect(loads).toBe(0)
})

test('who does not answer is not shown as empty, and is there again by itself', async () => {
  isSilent = true
  expect((await tree.getChildren()).map(({ node }) => [node.label, node.tooltip])).toEqual([
    ['The store does not respond', 'timed out'],
  ])
  isSilent = false
  await until(() => told.length > 0)
  expect((await shown())[0]!.node.label).toBe('HTTP')
})

test('a view that nobody sees asks for nothing until it is seen', async () => {
  await shown()
  view.visible = false
  nodes = []
  expect(await refreshed()).toEqual(['all'])
})

test('changes during an update are seen by a further one', async () => {
  await shown()
  tree.refresh()
  nodes[0]!.children = [functionNode('a', 'v2'), functionNode('b')]
  await refreshed()
  expect((await shown())[1]!.node.description).toBe('v2')
})

test('a change is seen in whatever moment of an update it comes', async () => {
  const [, a] = await shown()
  for (let moment = 0; moment < 30; moment++) {
    tree.refresh()
    for (let turn = 0; turn < moment; turn++) await Promise.resolve()
    nodes[0]!.children = [functionNode('a', `moment ${moment}`), functionNode('b')]
    await refreshed()
    expect(a!.node.description).toBe(`moment ${moment}`)
  }
})

test('a screen reader hears the row, not its tooltip', async () => {
  nodes = [
    { ...functionNode('a', 'v1 · shop'), tooltip: 'http://127.0.0.1' },
    { id: 'b', label: 'b', spoken: 'b, dead' },
  ]
  const labels = (await tree.getChildren()).map(row => tree.getTreeItem(row).accessibilityInformation?.label)
  expect(labels).toEqual(['a, v1 · shop', 'b, dead'])
})
