/** What can be done with documents of the store. */
import { RyoFaasError } from 'ryo-faas/contract'
import { placeOf } from '../store/store-files.ts'
import { StoreClient, type DocumentPlace } from '../store/store-client.ts'
import { storeUrl } from '../store/store-url.ts'
import type { TreeNode } from '../views/node.ts'
import type { Command, Parts } from './parts.ts'
import { chosen } from './target.ts'

export const openStore: Command = async ({ editor, link }) => {
  await link.refresh()
  await editor.commands.executeCommand('ryo-faas.store.focus')
}

export const openDocument: Command = async (parts, argument) => {
  const { editor, storeFiles } = parts
  const document = await editor.workspace.openTextDocument(storeFiles.uriOf(await documentOf(parts, argument)))
  await editor.window.showTextDocument(document, { preview: false })
}

export const newDocument: Command = async (parts, argument) => {
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  const ask = (title: string, prompt: string) => chosen(parts.editor.window.showInputBox({ title, prompt }))
  const table = subject?.kind === 'table' ? subject.table : await ask('New document', 'Its table')
  const id = await ask(`New document in ${table}`, 'Its id')
  await clientOf(parts).put({ table, id }, {}, 0)
  parts.store.refresh()
  await openDocument(parts, { subject: { kind: 'document', table, id } })
}

export const deleteDocument: Command = async (parts, argument) => {
  const place = await documentOf(parts, argument)
  const really = 'Delete'
  const question = `Delete ${place.table}/${place.id}?`
  await chosen(parts.editor.window.showWarningMessage(question, { modal: true }, really))
  await clientOf(parts).delete(place)
  parts.store.refresh()
}

async function documentOf(parts: Parts, argument: unknown): Promise<DocumentPlace> {
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  if (subject?.kind === 'document') return subject
  const active = parts.editor.window.activeTextEditor?.document.uri
  if (active?.scheme === 'ryo-store') return placeOf(active)
  const { window } = parts.editor
  const client = clientOf(parts)
  const tables = (await client.tables()).map(({ table }) => table)
  if (tables.length === 0) throw new RyoFaasError('INVALID_REQUEST', 'the store is empty')
  const table = await chosen(window.showQuickPick(tables, { placeHolder: 'Which table?' }))
  const { documents } = await client.documents(table, 1_000)
  const ids = documents.map(({ id }) => id)
  return { table, id: await chosen(window.showQuickPick(ids, { placeHolder: 'Which document?' })) }
}

function clientOf({ link }: Parts): StoreClient {
  const url = storeUrl(link.state)
  if (url === undefined) {
    throw new RyoFaasError('STORE_UNAVAILABLE', 'the store does not run', { hint: 'Start the platform first.' })
  }
  return new StoreClient(url)
}
