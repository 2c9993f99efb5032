/** The dashboard in a real browser, served by a real agent. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { dashboardKey, readAgentFile } from '../../src/client/index.ts'
import { EXAMPLES, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { launchBrowser, openPage, type Watched } from './browser.ts'
import { sendSpans } from './collector-client.ts'
import { plainTrace, shopTrace } from './shop-trace.ts'

const FILES = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url))
const MOST_BYTES = 150_000
/** Folder for pictures, if requested. */
const PICTURES = process.env['RYO_FAAS_PICTURES']

let platform: TestPlatform
let browser: Browser
let agentUrl: string
let token: string
let watched: Watched
let page: Page
const shop = shopTrace()

beforeAll(async () => {
  platform = await TestPlatform.make()
  const { proxyUrl } = await platform.start('process')
  await platform.ok(['deploy', EXAMPLES, '--only', 'HelloWorld', '--only', 'MethodAsync'])
  const found = (await readAgentFile(platform.home))!
  agentUrl = found.agent.url
  token = found.token
  for (let i = 0; i < 30; i++)
    await sendSpans(platform.home, plainTrace({ startMs: Date.now() - 60_000 + i, ms: 3 + i }).request)
  await sendSpans(
    platform.home,
    plainTrace({ name: 'MethodAsync', startMs: Date.now() - 600_000, ms: 900, isError: true }).request,
  )
  await sendSpans(platform.home, shop.request)
  await fetch(`${proxyUrl}/functions/helloworld`)
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await platform.remove()
})

beforeEach(async () => {
  watched = await openPage(browser, agentUrl)
  page = watched.page
})
afterEach(async () => {
  await page.context().close()
  expect(watched.elsewhere).toEqual([])
})

/** Opens it like a user with the address. */
async function open(place?: string): Promise<void> {
  const args = place === undefined ? ['dashboard'] : ['dashboard', '--trace', place]
  await page.goto((await platform.ok(args)).trim())
}

async function picture(name: string): Promise<void> {
  if (PICTURES === undefined) return
  await mkdir(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}.png`) })
}

const chosen = () => page.locator('[aria-selected=true]')

test('shows the state of the platform, live, by mouse and keyboard', async () => {
  await open()
  // The key is gone from the address.
  expect(page.url()).toBe(`${agentUrl}/dashboard#/`)
  await page.getByRole('status').getByText('live').waitFor()
  await page.locator('.tile', { hasText: 'instances' }).getByText('2', { exact: true }).waitFor()
  const functions = page.getByRole('table', { name: 'Functions' })
  await functions.getByRole('row', { name: 'HelloWorld' }).waitFor()
  await expect.poll(() => page.locator('.chart canvas').count()).toBe(7)
  // A call appears without any action.
  const { proxyUrl } = await platform.view()
  await until(async () => {
    await fetch(`${proxyUrl}/functions/helloworld`)
    const rate = await functions.getByRole('row', { name: 'HelloWorld' }).locator('td').nth(1).textContent()
    return rate === '0' ? undefined : rate
  })
  await page.keyboard.press('ArrowDown')
  await expect.poll(() => chosen().textContent()).toMatch(/^HelloWorld/)
  await page.getByText('Duration of HelloWorld').waitFor()
  await page.keyboard.press('ArrowDown')
  await expect.poll(() => chosen().textContent()).toMatch(/^MethodAsync/)
  await page.keyboard.press('Enter')
  await page.getByRole('table', { name: 'Traces' }).waitFor()
  expect(page.url()).toMatch(/#\/traces\?function=MethodAsync$/)
  expect(watched.complaints).toEqual([])
})

test('shows the schedules and when they run next', async () => {
  const code = `export const nightly = () => new Response()`
  const schedule = [{ cron: '30 2 1 1 *' }, { name: 'pulse', every: '10m' }]
  await platform.ok([
    'deploy',
    await writeProject(join(platform.home, 'scheduled'), { nightly: { code, options: { schedule } } }),
  ])
  await platform.ok(['schedules', 'pause', 'nightly', 'pulse'])
  await open()
  const schedules = page.getByRole('table', { name: 'Schedules' })
  await schedules.getByRole('row', { name: '30 2 1 1 *' }).waitFor()
  await schedules.getByRole('row', { name: /pulse nightly paused/ }).waitFor()
  await expect.poll(() => schedules.locator('tbody tr').first().textContent()).toMatch(/30 2 1 1 \*nightly.*20\d\d/)
  await picture('schedules')
  await platform.ok(['stop', 'nightly'])
  expect(watched.complaints).toEqual([])
})

test('lists traces by filters and search, and shows a new one by itself', async () => {
  await open()
  await page.getByRole('link', { name: 'Traces', exact: true }).click()
  const rows = page.getByRole('table', { name: 'Traces' }).locator('tbody tr')
  await expect.poll(() => rows.count()).toBeGreaterThanOrEqual(32)
  await page.getByLabel('Status').selectOption('error')
  await expect.poll(() => rows.count()).toBe(2)
  await page.getByLabel('Status').selectOption('')
  await page.keyboard.press('Escape')
  await page.keyboard.press('/')
  await page.keyboard.type('http.response.status_code=500')
  await page.keyboard.press('Enter')
  await expect.poll(() => rows.count()).toBe(1)
  await page.keyboard.press('Escape')
  await expect.poll(() => rows.count()).toBeGreaterThanOrEqual(32)
  await page.getByLabel('Status').selectOption('error')
  await expect.poll(() => rows.first().textContent()).toMatch(/Pay/)
  await page.getByLabel('slowest first').check()
  await expect.poll(() => rows.first().textContent()).toMatch(/MethodAsync/)
  await page.getByLabel('slowest first').uncheck()
  await page.getByLabel('Status').selectOption('')
  await sendSpans(platform.home, plainTrace({ name: 'BrandNew' }).request)
  await expect.poll(() => rows.first().textContent(), { timeout: 10_000 }).toMatch(/BrandNew/)
  await picture('traces')
  expect(watched.complaints).toEqual([])
})

test('shows a trace as a waterfall with what failed, logs and attributes, by keyboard alone', async () => {
  await open()
  await page.getByRole('status').getByText('live').waitFor()
  await page.keyboard.press('/')
  await page.locator('input:focus').waitFor()
  await page.keyboard.type(shop.traceId)
  await page.keyboard.press('Enter')
  const spans = page.getByRole('treeitem')
  await expect.poll(() => spans.count()).toBe(13)
  expect(await spans.first().textContent()).toMatch(/POST \/functions\/pay/)
  // The deepest failed span is selected at first.
  const details = page.getByRole('complementary')
  expect(await details.textContent()).toMatch(
    /TypeError: Cannot read[^]*invoice.ts:14:27[^]*attempt 1 of 5[^]*error.type/,
  )
  const left = (name: string) =>
    spans
      .filter({ hasText: name })
      .locator('.bar')
      .evaluate(bar => bar.getBoundingClientRect().left)
  expect(await left('process invoice attempt 2')).toBeGreaterThan(await left('process invoice attempt 1'))
  await picture('waterfall-light')
  await page.keyboard.press('ArrowUp')
  await expect.poll(() => chosen().textContent()).toMatch(/process invoice attempt 1/)
  await page.keyboard.press('ArrowLeft')
  await expect.poll(() => spans.count()).toBe(12)
  await page.keyboard.press('ArrowRight')
  await expect.poll(() => spans.count()).toBe(13)
  await page.keyboard.press('Escape')
  await expect.poll(() => page.url()).not.toMatch(/trace\//)
  expect(watched.complaints).toEqual([])
})

test('opens at a trace by the id of a call, in the colours of the system', async () => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  await page.emulateMedia({ colorScheme: 'dark' })
  await open('01M86ZNEVB30Z5FYFMY2QWMTFX-invoice')
  await page.getByRole('treeitem').first().waitFor()
  const dark = await background()
  await picture('waterfall-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await expect.poll(background).not.toBe(dark)
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('.chart canvas').first().waitFor()
  await picture('overview-dark')
  // Text fits into a narrow window, too.
  await page.setViewportSize({ width: 420, height: 800 })
  const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  await expect.poll(tooWide).toBeLessThanOrEqual(1)
  expect(watched.complaints).toEqual([])
})

test('follows the theme of the editor in whose frame it is', async () => {
  await open()
  const shown = () => page.evaluate(() => ({ ...document.documentElement.dataset }))
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const backgrounds: string[] = []
  for (const wanted of [
    { theme: 'dark', contrast: 'normal' },
    { theme: 'light', contrast: 'high' },
    { theme: 'dark', contrast: 'high' },
  ]) {
    await page.evaluate(data => postMessage(data, '*'), wanted)
    await expect.poll(shown).toEqual(wanted)
    backgrounds.push(await background())
  }
  expect(backgrounds).toEqual(['rgb(21, 24, 28)', 'rgb(255, 255, 255)', 'rgb(0, 0, 0)'])
  await picture('overview-high-contrast')
})

test('says what it needs without its key, and when the agent is offline', async () => {
  const session = page.waitForResponse(response => response.url().endsWith('/session'))
  await page.goto(`${agentUrl}/dashboard`)
  // Here nobody can sign in.
  expect((await session).ok()).toBe(false)
  await page.getByText('Open it with: ryo-faas dashboard').waitFor()
  const { parts } = await platform.view()
  await open()
  await page.getByRole('status').getByText('live').waitFor()
  process.kill(parts[0]!.pid!, 'SIGKILL')
  await page.getByRole('status').getByText('offline').waitFor()
  // The agent comes back by itself, and the page with it: two waits that grow on a busy machine.
  await page.getByRole('status').getByText('live').waitFor({ timeout: 90_000 })
})

test('the key of the page is read-only, and the page runs nothing from other origins', async () => {
  const key = dashboardKey(token)
  const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
    fetch(agentUrl + path, { method, headers: { authorization: `Bearer ${key}`, ...headers } })
  expect((await ask('GET', '/traces')).status).toBe(200)
  expect((await ask('POST', '/v1/reset')).status).toBe(401)
  expect((await ask('DELETE', '/v1/deployments/HelloWorld')).status).toBe(401)
  expect((await ask('GET', '/traces', { origin: 'http://evil.example' })).status).toBe(403)
  expect((await ask('GET', '/dashboard', { authorization: '' })).headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; script-src 'self';/,
  )
})

test('is small: under 150 kB compressed', async () => {
  const files = await Promise.all(['index.html', 'app.js', 'app.css'].map(name => readFile(join(FILES, name))))
  expect(files.reduce((sum, file) => sum + gzipSync(file).length, 0)).toBeLessThan(MOST_BYTES)
})
