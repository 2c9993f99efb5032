/** Waiting in tests, in place of sleeping. */
const UNIT_TIMEOUT_MS = 15_000

/** Asks until there is an answer; fails after `timeoutMs`. */
export async function until<T>(ask: () => Promise<T | undefined>, timeoutMs = 60_000, what = 'an answer'): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Waits until `condition` holds, for as long as a unit test has. */
export async function untilTrue(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  await until(async () => (await condition()) || undefined, UNIT_TIMEOUT_MS, what)
}
