/**
 * Logs whatever was thrown. An error that cannot be shown (a getter or an inspection of its own that throws) must not
 * become another error: who logs it still has a caller to answer, or a process to keep alive.
 */
export function logError(message: string, error: unknown): void {
  try {
    console.error(message, error)
  } catch {
    console.error(message, 'it threw something that cannot be shown')
  }
}
