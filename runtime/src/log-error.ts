/**
 * Logs whatever was thrown. An error that cannot be shown (its getter or custom inspection throws) must not cause
 * another error: the code that logs it still has to respond to a caller, or to keep a process alive.
 */
export function logError(message: string, error: unknown): void {
  try {
    console.error(message, error)
  } catch {
    console.error(message, 'the error cannot be shown')
  }
}
