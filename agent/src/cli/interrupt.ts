/** Ctrl-C, and what else asks a command to end. */

/** Aborts at the first signal; the second one exits at once. */
export function abortOnSignals(): AbortSignal {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(130)
      abort.abort()
    })
  }
  return abort.signal
}
