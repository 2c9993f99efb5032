/** The example of document events on a platform: makes payments and reads what followed. */
import { join } from 'node:path'
import { docPath } from '../../src/client/index.ts'
import { logLinesOf } from '../support/function-log.ts'
import { EXAMPLES, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

export const SHOP = join(EXAMPLES, 'database-events')

const TIMEOUT_MS = 60_000

interface Payment {
  id: string
  version: number
  data: { customer: string; status: string; invoice?: string }
}

/** @param path of the function that takes payments, after `/functions/` */
export async function pay(platform: TestPlatform, path: string, customer: string): Promise<string> {
  const { proxyUrl } = await platform.view()
  const body = JSON.stringify({ customer, amount: 12 })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${proxyUrl}/functions/${path}`, { method: 'POST', body, headers })
  return ((await response.json()) as Payment).id
}

/** The payment once it has its invoice. */
export async function invoiced(platform: TestPlatform, id: string): Promise<Payment> {
  const store = await platform.storeClient(AbortSignal.timeout(TIMEOUT_MS))
  return until(async () => {
    const payment = (await (await store.send('GET', docPath('payments', id))).json()) as Payment
    return payment.data.status === 'invoiced' ? payment : undefined
  })
}

/** What the handlers of a deployment printed about a payment, once there are this many lines. */
export async function printed(
  platform: TestPlatform,
  name: string,
  of: { id: string; lines: number },
): Promise<string[]> {
  return until(async () => {
    const own = (await logLinesOf(platform, name)).filter(line => line.includes(of.id))
    return own.length >= of.lines ? own : undefined
  })
}
