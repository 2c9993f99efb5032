/** Flags of a command line that the agent reads itself (`launch-directly.ts`). */
import { readFileSync } from 'node:fs'

/** The argument after the home: they are at standard input, as JSON. */
export const FLAGS_AT_STDIN = '--flags-at-stdin'

/** Exit code of an agent that is to be started as usual. */
export const REFUSED = 64

/** For the agent's process. @returns `undefined` if it was started as usual */
export function givenFlags(argv: readonly string[]): Record<string, string> | undefined {
  if (argv[3] !== FLAGS_AT_STDIN) return undefined
  const text = readFileSync(0, 'utf8')
  // Who started it is gone.
  if (text === '') process.exit(0)
  return JSON.parse(text) as Record<string, string>
}
