/** Waiting in tests, in place of sleeping. */
const UNIT_TIMEOUT_MS = 15_000
/** Between two questions: the shortest, and the longest, which comes after a second. */
const [PAUSE_MS, LONGEST_PAUSE_MS] = [5, 50]

/** Asks until there is an answer; fails after `timeoutMs`. */
export async function until<T>(ask: () => Promise<T | undefined>, timeoutMs = 60_000, what = 'an answer'): Promise<T> {
  const begin = performance.now()
  for (;;) {
    const asked = performance.now()
    const answer = await ask()
    if (answer !== undefined) return answer
    const now = performance.now()
    if (now > begin + timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    // What is waited for needs the machine more than who asks for it, by a command perhaps.
    const pause = Math.min(LONGEST_PAUSE_MS, Math.max(PAUSE_MS, (now - begin) / 20))
    await new Promise(resolve => setTimeout(resolve, Math.max(pause, now - asked)))
  }
}

/** Waits until `condition` holds, for as long as a unit test has. */
export async function untilTrue(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  await until(async () => (await condition()) || undefined, UNIT_TIMEOUT_MS, what)
}
