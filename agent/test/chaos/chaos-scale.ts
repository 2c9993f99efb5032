/** How much chaos, and which: `CHAOS_SEED`, and `CHAOS_SCALE` times as many calls, kills and minutes. */
export const CHAOS_SEED = process.env['CHAOS_SEED']
export const CHAOS_SCALE = Number(process.env['CHAOS_SCALE'] ?? 1)

/** Time limit of one unscaled run; its test has a little more. */
const LIMIT_MS = 100_000
const CLEARANCE_MS = 20_000

export const CHAOS_LIMIT_MS = LIMIT_MS * CHAOS_SCALE
export const CHAOS_TEST = { timeout: CHAOS_LIMIT_MS + CLEARANCE_MS }
