/** What can be done with documents of the store. */
import { type Door, StoreFailure } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import * as store from '../store/documents.ts'
import type { DocumentPlace } from '../store/documents.ts'
import { placeOf, STORE_SCHEME } from '../store/store-files.ts'
import type { TreeNode } from '../tree/node.ts'
import { defineCommand, type Needs } from './command.ts'
import { mustRun } from './target.ts'

const MOST_LISTED = 1_000

type ForDocument = Needs<'editor' | 'link' | 'storeFiles' | 'ui'>

export const openStore = defineCommand({
  id: 'ryo-faas.openStore',
  needsTrust: false,
  run: async ({ editor, link }: Needs<'editor' | 'link'>) => {
    await link.refresh()
    mustRun({ link })
    await editor.commands.executeCommand('ryo-faas.store.focus')
  },
})

export const openDocument = defineCommand({
  id: 'ryo-faas.openDocument',
  needsTrust: false,
  run: async (parts: ForDocument, argument) => {
    const { editor, storeFiles } = parts
    const document = await editor.workspace.openTextDocument(storeFiles.uriOf(await documentOf(parts, argument)))
    await editor.window.showTextDocument(document, { preview: false })
  },
})

/** The row below the documents that are shown. */
export const moreDocuments = defineCommand({
  id: 'ryo-faas.moreDocuments',
  needsTrust: false,
  run: ({ widenTable }: Needs<'widenTable'>, argument) => {
    if (typeof argument === 'string') widenTable(argument)
  },
})

export const newDocument = defineCommand({
  id: 'ryo-faas.newDocument',
  needsTrust: false,
  run: async (parts: ForDocument & Needs<'store'>, argument) => {
    const door = doorOf(parts)
    const { subject } = (argument ?? {}) as Partial<TreeNode>
    const table =
      subject?.kind === 'table' ? subject.table : await parts.ui.ask({ title: 'New document', prompt: 'Table name' })
    const id = await parts.ui.ask({ title: `New document in ${table}`, prompt: 'Document ID' })
    await store.putDocument(door, { table, id }, { data: {}, version: 0 })
    parts.store.refresh()
    await openDocument.run(parts, { subject: { kind: 'document', table, id } })
  },
})

export const deleteDocument = defineCommand({
  id: 'ryo-faas.deleteDocument',
  needsTrust: false,
  row: true,
  run: async (parts: ForDocument & Needs<'store'>, argument) => {
    const place = await documentOf(parts, argument)
    // The version that the user saw: of the row in the tree, else as it is when the question is asked.
    const { version } = place.version === undefined ? await store.getDocument(doorOf(parts), place) : place
    const { server } = parts.link
    const where = server === undefined ? '' : ` on the server ${server}`
    await parts.ui.confirm(`Delete ${place.table}/${place.id}${where}?`, { buttons: ['Delete'] })
    try {
      await store.deleteDocument(doorOf(parts), place, version)
    } catch (error) {
      if (!(error instanceof StoreFailure) || error.answered !== 412) throw error
      offerToDeleteAnyway(parts, place)
    }
    parts.store.refresh()
  },
})

/** It was written to since it was looked at. */
function offerToDeleteAnyway(parts: ForDocument & Needs<'store'>, place: DocumentPlace): void {
  parts.ui.warn(
    `${place.table}/${place.id} was changed elsewhere and was not deleted.`,
    { title: 'Open', run: () => openDocument.run(parts, { subject: { kind: 'document', ...place } }) },
    {
      title: 'Delete Anyway',
      run: async () => {
        await store.deleteDocument(doorOf(parts), place)
        parts.store.refresh()
      },
    },
  )
}

async function documentOf(parts: ForDocument, argument: unknown): Promise<DocumentPlace & { version?: number }> {
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  if (subject?.kind === 'document') return subject
  const active = parts.editor.window.activeTextEditor?.document.uri
  if (active?.scheme === STORE_SCHEME) {
    parts.storeFiles.mustBeOfChosen(active)
    const version = parts.storeFiles.versionOf(active)
    return { ...placeOf(active), ...(version !== undefined && { version }) }
  }
  const door = doorOf(parts)
  const tables = (await store.storeClient(door).tables()).map(({ table }) => ({ label: table }))
  if (tables.length === 0) throw new RyoFaasError('INVALID_REQUEST', 'the store is empty')
  const { label: table } = await parts.ui.pick(tables, 'Which table?')
  const ids = (await store.documentsOf(door, table, MOST_LISTED)).map(({ id }) => ({ label: id }))
  return { table, id: (await parts.ui.pick(ids, 'Which document?')).label }
}

function doorOf({ link }: Needs<'link'>): Door {
  mustRun({ link })
  if (link.store === undefined) throw new RyoFaasError('STORE_UNAVAILABLE', 'the store is not running')
  return link.store
}
