/** What can be done with documents of the store. */
import { type Door, StoreFailure } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import * as store from '../store/documents.ts'
import type { DocumentPlace } from '../store/documents.ts'
import { placeOf } from '../store/store-files.ts'
import type { TreeNode } from '../tree/node.ts'
import type { Command, Parts } from './parts.ts'
import { chosen, mustRun } from './target.ts'

const MOST_LISTED = 1_000

export const openStore: Command = async ({ editor, link }) => {
  await link.refresh()
  mustRun({ link })
  await editor.commands.executeCommand('ryo-faas.store.focus')
}

export const openDocument: Command = async (parts, argument) => {
  const { editor, storeFiles } = parts
  const document = await editor.workspace.openTextDocument(storeFiles.uriOf(await documentOf(parts, argument)))
  await editor.window.showTextDocument(document, { preview: false })
}

/** The row below the documents that are shown. */
export const moreDocuments: Command = ({ widenTable }, argument) => {
  if (typeof argument === 'string') widenTable(argument)
}

export const newDocument: Command = async (parts, argument) => {
  const door = doorOf(parts)
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  const ask = (title: string, prompt: string) => chosen(parts.editor.window.showInputBox({ title, prompt }))
  const table = subject?.kind === 'table' ? subject.table : await ask('New document', 'Table name')
  const id = await ask(`New document in ${table}`, 'Document ID')
  await store.putDocument(door, { table, id }, { data: {}, version: 0 })
  parts.store.refresh()
  await openDocument(parts, { subject: { kind: 'document', table, id } })
}

export const deleteDocument: Command = async (parts, argument) => {
  const place = await documentOf(parts, argument)
  const really = 'Delete'
  const question = `Delete ${place.table}/${place.id}?`
  // The version that the person saw: of the row in the tree, else as it is when the question is put.
  const { version } = place.version === undefined ? await store.getDocument(doorOf(parts), place) : place
  await chosen(parts.editor.window.showWarningMessage(question, { modal: true }, really))
  try {
    await store.deleteDocument(doorOf(parts), place, version)
  } catch (error) {
    if (!(error instanceof StoreFailure) || error.answered !== 412) throw error
    offerToDeleteAllTheSame(parts, place)
  }
  parts.store.refresh()
}

/** Somebody wrote to it since it was looked at. */
function offerToDeleteAllTheSame(parts: Parts, place: DocumentPlace): void {
  parts.ui.warn(
    `${place.table}/${place.id} was changed by somebody else and was not deleted.`,
    { title: 'Open', run: () => openDocument(parts, { subject: { kind: 'document', ...place } }) },
    {
      title: 'Delete Anyway',
      run: async () => {
        await store.deleteDocument(doorOf(parts), place)
        parts.store.refresh()
      },
    },
  )
}

async function documentOf(parts: Parts, argument: unknown): Promise<DocumentPlace & { version?: number }> {
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  if (subject?.kind === 'document') return subject
  const active = parts.editor.window.activeTextEditor?.document.uri
  if (active?.scheme === 'ryo-store') {
    const version = parts.storeFiles.versionOf(active)
    return { ...placeOf(active), ...(version !== undefined && { version }) }
  }
  const { window } = parts.editor
  const door = doorOf(parts)
  const tables = (await store.storeClient(door).tables()).map(({ table }) => table)
  if (tables.length === 0) throw new RyoFaasError('INVALID_REQUEST', 'the store is empty')
  const table = await chosen(window.showQuickPick(tables, { placeHolder: 'Which table?' }))
  const documents = await store.documentsOf(door, table, MOST_LISTED)
  const ids = documents.map(({ id }) => id)
  return { table, id: await chosen(window.showQuickPick(ids, { placeHolder: 'Which document?' })) }
}

function doorOf({ link }: Parts): Door {
  mustRun({ link })
  if (link.store === undefined) throw new RyoFaasError('STORE_UNAVAILABLE', 'the store is not running')
  return link.store
}
