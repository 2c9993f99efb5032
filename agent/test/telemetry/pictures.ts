/**
 * Makes the pictures of the documentation: `npx tsx --conditions=source agent/test/telemetry/pictures.ts`. A platform of its
 * own is called for a few minutes, so that there is something to see.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { dashboardUrl, readAgentFile } from '../../src/client/index.ts'
import { TestPlatform, writeProject, type StoreFetch } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openPage } from './browser.ts'

const FOLDER = fileURLToPath(new URL('../../media/', import.meta.url))
const CALLED_FOR_MS = 150_000
const TURN_MS = 20

const answer = (name: string, body: string) =>
  `const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
   export const ${name} = async (request: Request): Promise<Response> => { ${body}; return new Response('done') }`
const ORDER = `
import { call, context, store } from '@ryo-faas/runtime'
export async function Order(request: Request): Promise<Response> {
  const payment = await store('payments').create({ amount: 12.5, customer: 7 })
  context().log.info('payment of 12.50 for customer 7')
  await call('mail', { method: 'POST', body: JSON.stringify({ id: payment.id }) })
  return new Response('ordered')
}`
const MAIL = `
import { context, store } from '@ryo-faas/runtime'
export async function Mail(request: Request): Promise<Response> {
  const { id } = await request.json()
  const payment = await store('payments').get(id)
  context().log.info('attempt ' + request.headers.get('x-call-attempt'))
  if (request.headers.get('x-call-attempt') === '1') throw new TypeError('the customer has no e-mail address')
  await store('mails').create({ text: 'paid ' + payment?.data.amount })
  return new Response('sent')
}`
/** Number of spans of an order. */
const WHOLE = 19
const FUNCTIONS = {
  Order: { code: ORDER },
  Mail: { code: MAIL, options: { async: { attempts: 3, backoffMs: 100 } } },
  Pay: { code: answer('Pay', 'await wait(8 + 30 * Math.random() ** 4)'), options: { instances: 2 } },
  Search: {
    code: answer('Search', "await wait(2 + 3 * Math.random()); if (Math.random() < 0.03) throw new Error('no')"),
  },
  Invoice: { code: answer('Invoice', 'await wait(40 * Math.random())'), options: { async: { concurrency: 1 } } },
  HelloWorld: { code: answer('HelloWorld', '') },
}

async function callAll(proxyUrl: string, store: StoreFetch): Promise<void> {
  const call = (name: string) => fetch(`${proxyUrl}/functions/${name}`, { method: 'POST' }).then(r => r.text())
  const write = () =>
    store('/tables/payments/docs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"data":{"amount":12}}',
    })
  const end = Date.now() + CALLED_FOR_MS
  while (Date.now() < end) {
    // Alternates between busy and quiet.
    const share = 0.55 + 0.45 * Math.sin(Date.now() / 12_000)
    if (Math.random() < share) void call('pay')
    if (Math.random() < share * 0.8) void call('search')
    if (Math.random() < 0.25 + share * 0.4) void call('invoice')
    if (Math.random() < 0.2) void call('helloworld')
    if (Math.random() < share) void write()
    await delay(TURN_MS)
  }
}

/** An order that is queued, fails and is retried. Returns its trace once it is complete. */
async function order(proxyUrl: string): Promise<string> {
  const traceId = randomBytes(16).toString('hex')
  // The caller's trace context asks for recording.
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`
  await fetch(`${proxyUrl}/functions/order`, { method: 'POST', headers: { traceparent } })
  const client = await platform.client()
  return until(async () => {
    const trace = await client.call('trace', { params: { id: traceId } }).catch(() => undefined)
    return trace !== undefined && trace.spans.length >= WHOLE ? traceId : undefined
  }, 60_000)
}

const platform = await TestPlatform.make()
try {
  const { proxyUrl } = await platform.start('process')
  await platform.ok(['deploy', await writeProject(`${platform.home}/functions`, FUNCTIONS)])
  await callAll(proxyUrl, await platform.store())
  // The first one warms up what the second one uses.
  await order(proxyUrl)
  const traceId = await order(proxyUrl)
  console.log(await platform.ok(['traces', 'show', traceId]))
  const { agent, token } = (await readAgentFile(platform.home))!
  const browser = await launchBrowser()
  const { page } = await openPage(browser, agent.url)
  await page.setViewportSize({ width: 1280, height: 780 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(dashboardUrl({ url: agent.url, token }))
  await page.locator('.chart canvas').first().waitFor()
  await delay(500) // The charts are drawn.
  await page.screenshot({ path: `${FOLDER}dashboard-overview.png` })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 700 })
  await page.goto(dashboardUrl({ url: agent.url, token }, `/trace/${traceId}`))
  await page.getByRole('treeitem').first().waitFor()
  await page.screenshot({ path: `${FOLDER}dashboard-waterfall.png` })
  await browser.close()
} finally {
  await platform.remove()
}
