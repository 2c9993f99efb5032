/**
 * Compares secrets in constant time.
 *
 * `node:crypto` is loaded by the first comparison: it takes 1.25 MiB of memory, which a function that only strangers call
 * over HTTP does without. The platform shows its token with what it dispatches, and with calls of those whom it knows.
 */
export function isSameSecret(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && process.getBuiltinModule('node:crypto').timingSafeEqual(a, b)
}
