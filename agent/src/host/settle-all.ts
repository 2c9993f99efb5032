/**
 * Like `Promise.all`, but rejects (with the first reason) only when all have settled, so that nothing runs on
 * unnoticed.
 */
export async function settleAll(work: Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work)
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
