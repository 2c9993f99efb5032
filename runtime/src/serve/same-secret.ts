/**
 * Compares secrets in a time that depends only on the length of the wanted one: every byte is looked at, whatever those
 * before it are.
 *
 * By hand, because the platform shows its token with every call, and `node:crypto` for `timingSafeEqual` would be 1 MiB of
 * memory in each function that was ever called, and 2 ms of its first call.
 */
export function isSameSecret(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  let difference = a.length ^ b.length
  for (let index = 0; index < b.length; index += 1) difference |= (a[index] ?? 0) ^ b[index]!
  return difference === 0
}
