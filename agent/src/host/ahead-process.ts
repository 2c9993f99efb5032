/**
 * A process that is started before what it needs is there: it loads its code, and begins when it is told to. Invariants:
 * 1. it does nothing until then, so that it may be ended at any time. 2. it exits if whoever started it is gone before.
 */
import type { Writable } from 'node:stream'
import type { DetachedProcess } from './detached-process.ts'

/** The last argument of such a process. */
export const AHEAD = '--ahead'

/** Lets it begin. Its standard input is closed from then on. */
export function begin({ child }: DetachedProcess): void {
  const { stdin } = child as { stdin: Writable }
  // If it is gone, its starter finds out like for any other.
  stdin.on('error', () => undefined).end('begin\n')
}

/** Ends one that was not told to begin. */
export function callOff({ child }: DetachedProcess): void {
  child.stdin?.destroy()
}

/** For the process itself: resolves when it is to begin, at once if it was started as usual. */
export async function untilBegin(): Promise<void> {
  if (process.argv.at(-1) !== AHEAD) return
  // Workers of this process get its arguments.
  process.argv.pop()
  const { stdin } = process
  await new Promise<void>(resolve => {
    const leave = () => process.exit(0)
    stdin.once('close', leave).once('data', () => resolve(void stdin.off('close', leave)))
  })
  stdin.destroy()
}
