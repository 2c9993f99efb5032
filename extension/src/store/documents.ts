/** How the editor reads and writes documents of the store. */
import { type Door, StoreClient, docPath, onlyOver, type StoredDocument } from 'ryo-faas/client'

export interface DocumentPlace {
  table: string
  id: string
}

const TIMEOUT_MS = 10_000

export function storeClient(store: Door): StoreClient {
  return new StoreClient(store, AbortSignal.timeout(TIMEOUT_MS))
}

/** The first documents of a table. */
export async function documentsOf(store: Door, table: string, limit: number): Promise<StoredDocument[]> {
  return (await storeClient(store).query(table, new URLSearchParams({ limit: String(limit) }))).documents
}

/** @throws StoreFailure 404 */
export function getDocument(store: Door, { table, id }: DocumentPlace): Promise<StoredDocument> {
  return storeClient(store).document('GET', docPath(table, id))
}

/**
 * @param version it must have; 0: it must not exist
 * @throws StoreFailure 412 if it has another
 */
export function putDocument(
  store: Door,
  { table, id }: DocumentPlace,
  { data, version }: { data: unknown; version: number },
): Promise<StoredDocument> {
  const body = JSON.stringify({ data })
  return storeClient(store).document('PUT', docPath(table, id), {
    body,
    contentType: 'application/json',
    headers: onlyOver(version),
  })
}

/**
 * @param version it must have; absent: any
 * @throws StoreFailure 412 if it has another
 */
export async function deleteDocument(store: Door, { table, id }: DocumentPlace, version?: number): Promise<void> {
  const headers = version === undefined ? {} : onlyOver(version)
  await storeClient(store).send('DELETE', docPath(table, id), { headers })
}
