/** The lists of calls that the view shows. */
import { CallsClient, type Door } from 'ryo-faas/client'
import type { CallLists } from './calls-view.ts'

const NONE: CallLists = { queued: [], running: [], dead: [] }
const TIMEOUT_MS = 5_000
const SHOWN = 100

export async function callLists(proxy: Door | undefined): Promise<CallLists> {
  if (proxy === undefined) return NONE
  const client = new CallsClient(proxy, AbortSignal.timeout(TIMEOUT_MS))
  const list = async (status: keyof CallLists) => (await client.list({ status, limit: SHOWN })).calls
  const [queued, running, dead] = await Promise.all([list('queued'), list('running'), list('dead')])
  return { queued, running, dead }
}
