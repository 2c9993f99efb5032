/** Tables of the store and their documents. */
import type { Door, StoredDocument } from 'ryo-faas/client'
import { documentsOf, storeClient } from '../store/documents.ts'
import { plural } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'

const SHOWN_AT_FIRST = 100
/** The store returns no more at once. */
const MOST_SHOWN = 1_000

/** @param wide tables of which as many documents as possible are shown */
export async function storeNodes(store: Door | undefined, wide: ReadonlySet<string>): Promise<TreeNode[]> {
  if (store === undefined) return []
  const tables = await storeClient(store).tables()
  return tables.map(({ table, documents }) => ({
    id: `table ${table}`,
    label: table,
    description: plural(documents, 'document'),
    icon: { name: 'table' },
    context: 'table',
    subject: { kind: 'table', table },
    isCollapsed: true,
    load: () => documentNodes(store, table, { count: documents, limit: wide.has(table) ? MOST_SHOWN : SHOWN_AT_FIRST }),
  }))
}

async function documentNodes(
  store: Door,
  table: string,
  { count, limit }: { count: number; limit: number },
): Promise<TreeNode[]> {
  const documents = await documentsOf(store, table, limit)
  const nodes = documents.map(documentNode)
  if (count > documents.length)
    nodes.push(moreNode(table, { left: count - documents.length, isAll: limit === MOST_SHOWN }))
  return nodes
}

function moreNode(table: string, { left, isAll }: { left: number; isAll: boolean }): TreeNode {
  const node: TreeNode = { id: `more ${table}`, label: `and ${left} more`, icon: { name: 'ellipsis' } }
  if (isAll) return { ...node, tooltip: `Find them with: ryo-faas store query ${table}` }
  const command = { id: 'ryo-faas.moreDocuments', title: 'Show more documents', arguments: [table] }
  return { ...node, description: 'click to show', command }
}

function documentNode({ table, id, version, data, editedAt }: StoredDocument): TreeNode {
  return {
    id: `document ${table} ${id}`,
    label: id,
    description: `v${version} · ${summaryOf(data)}`,
    tooltip: `edited ${editedAt}`,
    icon: { name: 'json' },
    context: 'document',
    subject: { kind: 'document', table, id, version },
    command: { id: 'ryo-faas.openDocument', title: 'Open the document' },
  }
}

function summaryOf(data: unknown): string {
  const text = JSON.stringify(data)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
