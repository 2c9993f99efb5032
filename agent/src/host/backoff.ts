/** How long to wait after something failed, for everything in the agent that tries again. */

export interface BackoffBounds {
  /** After the first failure. */
  firstMs: number
  mostMs: number
}

/** Beyond it a double loses its meaning, and every bound is reached long before. */
const MOST_DOUBLINGS = 40

/**
 * Doubles with every failure, and lies between the half and the whole of that, so that what failed together does not
 * come back together and gaps always grow.
 * @param failures in a row, the latest included; counts from 1
 * @param random from 0 to 1; 1, the default, is the whole: for what waits alone
 */
export function backoffMs({ firstMs, mostMs }: BackoffBounds, failures: number, random = 1): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(Math.max(0, failures - 1), MOST_DOUBLINGS))
  return whole * (0.5 + random / 2)
}
