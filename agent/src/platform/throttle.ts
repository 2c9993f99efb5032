/** Calls at most once per `gapMs`: at once when idle, and once more at the end of the gap if called again in it. */
export function throttle(call: () => void, gapMs: number): (() => void) & { close(): void } {
  let timer: NodeJS.Timeout | undefined
  let isWanted = false
  const open = () => {
    timer = undefined
    if (isWanted) run()
  }
  const run = () => {
    isWanted = false
    timer = setTimeout(open, gapMs).unref()
    call()
  }
  const wanted = () => {
    if (timer === undefined) run()
    else isWanted = true
  }
  return Object.assign(wanted, { close: () => clearTimeout(timer) })
}
