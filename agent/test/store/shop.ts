/** The example of document events on a platform: payments made, and what followed from them. */
import { join } from 'node:path'
import { EXAMPLES, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

export const SHOP = join(EXAMPLES, 'database-events')

interface Payment {
  id: string
  version: number
  data: { customer: string; status: string; invoice?: string }
}

export async function pay(platform: TestPlatform, args: string[], customer: string): Promise<string> {
  const data = JSON.stringify({ customer, amount: 12 })
  return (JSON.parse(await platform.ok(['invoke', ...args, '--data', data])) as Payment).id
}

/** The payment once it has its invoice. */
export async function invoiced(platform: TestPlatform, id: string): Promise<Payment> {
  return until(async () => {
    const payment = JSON.parse(await platform.ok(['store', 'get', 'payments', id, '--json'])) as Payment
    return payment.data.status === 'invoiced' ? payment : undefined
  })
}

/** What the handlers of a deployment printed about a payment, once there are as many lines. */
export async function printed(
  platform: TestPlatform,
  name: string,
  of: { id: string; lines: number },
): Promise<string[]> {
  return until(async () => {
    const logs = await platform.ok(['logs', name, '--json'])
    const lines = logs.split('\n').flatMap(text => (text === '' ? [] : [(JSON.parse(text) as { line: string }).line]))
    const own = lines.filter(line => line.includes(of.id))
    return own.length >= of.lines ? own : undefined
  })
}
