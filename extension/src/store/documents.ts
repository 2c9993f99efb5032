/** Documents of the store as the editor reads and writes them. */
import { StoreClient, docPath, onlyOver, type StoredDocument } from 'ryo-faas/client'

export interface DocumentPlace {
  table: string
  id: string
}

const TIMEOUT_MS = 10_000

export function storeClient(url: string): StoreClient {
  return new StoreClient(url, AbortSignal.timeout(TIMEOUT_MS))
}

/** The first ones of a table. */
export async function documentsOf(url: string, table: string, limit: number): Promise<StoredDocument[]> {
  return (await storeClient(url).query(table, new URLSearchParams({ limit: String(limit) }))).documents
}

/** @throws StoreFailure 404 */
export function getDocument(url: string, { table, id }: DocumentPlace): Promise<StoredDocument> {
  return storeClient(url).document('GET', docPath(table, id))
}

/**
 * @param version that it must have; 0: it must not exist
 * @throws StoreFailure 412 if it has another
 */
export function putDocument(
  url: string,
  { table, id }: DocumentPlace,
  { data, version }: { data: unknown; version: number },
): Promise<StoredDocument> {
  const body = JSON.stringify({ data })
  return storeClient(url).document('PUT', docPath(table, id), {
    body,
    contentType: 'application/json',
    headers: onlyOver(version),
  })
}

/**
 * @param version that it must have; absent: whatever it has
 * @throws StoreFailure 412 if it has another
 */
export async function deleteDocument(url: string, { table, id }: DocumentPlace, version?: number): Promise<void> {
  const headers = version === undefined ? {} : onlyOver(version)
  await storeClient(url).send('DELETE', docPath(table, id), { headers })
}
