/** Tables of the store and their documents. */
import type { Door, StoredDocument } from 'ryo-faas/client'
import { documentsOf, storeClient } from '../store/documents.ts'
import { plural } from '../ui/format.ts'
import type { TreeNode } from './node.ts'

const SHOWN = 100

export async function storeNodes(store: Door | undefined): Promise<TreeNode[]> {
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
    load: () => documentNodes(store, table, documents),
  }))
}

async function documentNodes(store: Door, table: string, count: number): Promise<TreeNode[]> {
  const documents = await documentsOf(store, table, SHOWN)
  const nodes = documents.map(documentNode)
  if (count > documents.length) {
    nodes.push({ id: `more ${table}`, label: `and ${count - documents.length} more`, icon: { name: 'ellipsis' } })
  }
  return nodes
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
