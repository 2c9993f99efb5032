/** How dispatchers are started, without the schemas of their options. */

/** What a call leaves behind is short-lived: a smaller nursery saves a third of the process's memory, and costs little. */
export const DISPATCHER_NODE_ARGS: readonly string[] = ['--max-semi-space-size=8']

/** @param number of the dispatcher, from 1 */
export function dispatcherName(number: number): 'dispatcher' | `dispatcher-${number}` {
  return number === 1 ? 'dispatcher' : `dispatcher-${number}`
}
