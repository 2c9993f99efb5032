/** The lists of calls that the view shows. */
import { Calls } from '../agent/calls.ts'
import type { CallLists } from './calls-view.ts'

const NONE: CallLists = { queued: [], running: [], dead: [] }
const TIMEOUT_MS = 5_000

export async function callLists(proxyUrl: string | undefined): Promise<CallLists> {
  if (proxyUrl === undefined) return NONE
  const calls = new Calls(proxyUrl)
  const list = (status: keyof CallLists) => calls.list(status, AbortSignal.timeout(TIMEOUT_MS))
  try {
    const [queued, running, dead] = await Promise.all([list('queued'), list('running'), list('dead')])
    return { queued, running, dead }
  } catch {
    return NONE // The proxy is on its way up or down; its return is told.
  }
}
