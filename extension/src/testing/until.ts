/** Waits until something becomes true on its own. */
import { vi } from 'vitest'

export async function until(isTrue: () => unknown): Promise<void> {
  await vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 })
}
