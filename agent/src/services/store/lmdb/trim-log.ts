/** Takes old events out of the log, and with the event of a deletion what was remembered of the document. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { timeOfEvent } from '../documents/index.ts'
import { prefixed, sequenceKey, sequenceOf } from './keys.ts'
import type { Writer } from './writer.ts'

/** Most events at once, so that writers do not wait long. */
export const TRIM_STEP = 1_000
const DELETION = '"type":"ryo-faas.store.deleted-doc"'

/** @returns how many were removed; `TRIM_STEP` means that there may be more. */
export function trimLog(writer: Writer, { before, through }: { before: string; through: number }): number {
  const { log } = writer.environment
  // Events hold whole documents: of a thousand not even the texts are held at once.
  const old: { key: Buffer; deleted: DeletedDocument | undefined }[] = []
  for (const { key, value } of log.getRange({
    start: sequenceKey(0),
    end: sequenceKey(through + 1),
    limit: TRIM_STEP,
  })) {
    const text = value.toString('utf8', 4)
    if (timeOfEvent(text) >= before) break
    old.push({ key: Buffer.from(key), deleted: deletedBy(text) })
  }
  for (const { key, deleted } of old) {
    if (deleted !== undefined) forget(writer, deleted, sequenceOf(key))
    log.removeSync(key)
  }
  return old.length
}

interface DeletedDocument {
  table: string
  id: string
}

function deletedBy(text: string): DeletedDocument | undefined {
  if (!text.includes(DELETION)) return undefined
  const { table, id } = (JSON.parse(text) as DocumentCloudEvent).data
  return { table, id }
}

function forget(writer: Writer, { table, id }: DeletedDocument, sequence: number): void {
  const space = writer.knownTable(table)?.record.space
  if (space === undefined) return
  const key = prefixed(space, id)
  // It may have been created and deleted once more since.
  const remembered = writer.environment.versions.get(key)?.split(' ')[1]
  if (remembered === String(sequence)) writer.environment.versions.removeSync(key)
}
