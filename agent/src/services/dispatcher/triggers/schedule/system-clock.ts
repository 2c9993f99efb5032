import type { Clock } from '../source.ts'

/** After this time the clock is asked again: it may have been set, and timers stand still while a machine sleeps. */
const LOOK_AGAIN_MS = 60_000

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  at: (ms, run) => {
    let timer: NodeJS.Timeout
    const wait = () => {
      const left = ms - Date.now()
      if (left <= 0) run()
      else timer = setTimeout(wait, Math.min(left, LOOK_AGAIN_MS))
    }
    timer = setTimeout(wait, Math.min(Math.max(0, ms - Date.now()), LOOK_AGAIN_MS))
    return () => clearTimeout(timer)
  },
}
