/** Resolves when `condition` holds; rejects if it does not within 5 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Still not true: ${condition.toString()}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
