/** Calls at most once in `gapMs`: at once when it is quiet, and once more at the end if there was more to tell. */
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
