/**
 * Like `Promise.all`, but rejects (with the first reason) only when all have settled, so that nothing runs on
 * unnoticed.
 */
export async function settleAll<T extends readonly Promise<unknown>[]>(
  work: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
