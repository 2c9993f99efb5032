/** The site of the documentation: it builds without a network, its links lead somewhere, and it reads well. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DOCS } from '../../../docs/blocks/page.ts'
import { launchBrowser, openPage } from '../telemetry/browser.ts'

const VITEPRESS = fileURLToPath(new URL('../../../node_modules/vitepress/bin/vitepress.js', import.meta.url))
/** The pictures of a run, for people. */
const PICTURES = fileURLToPath(new URL('../../../out/docs/', import.meta.url))
const OFFLINE =
  "import dns from 'node:dns'; import { syncBuiltinESMExports } from 'node:module';" +
  "dns.lookup = name => { throw new Error('offline: ' + name) }; syncBuiltinESMExports()"

let folder: string
let server: Server | undefined
let browser: Browser | undefined
let url: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-site-'))
  await promisify(execFile)(process.execPath, [
    `--import=data:text/javascript,${encodeURIComponent(OFFLINE)}`,
    ...[VITEPRESS, 'build', DOCS, '--outDir', folder],
  ])
  const site = createServer(async (request, response) => {
    const path = new URL(request.url!, 'http://site').pathname
    const file = path.endsWith('/') ? `${path}index.html` : path.includes('.') ? path : `${path}.html`
    const body = await readFile(join(folder, file)).catch(() => undefined)
    const types: Record<string, string> = {
      html: 'text/html',
      js: 'text/javascript',
      css: 'text/css',
      svg: 'image/svg+xml',
    }
    response.writeHead(body ? 200 : 404, {
      'content-type': types[file.split('.').pop()!] ?? 'application/octet-stream',
    })
    response.end(body)
  })
  server = site
  await new Promise<void>(resolve => site.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  browser = await launchBrowser()
  await mkdir(PICTURES, { recursive: true })
})
afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await rm(folder, { recursive: true, force: true })
})

// VitePress itself fails on a link to a page that is not there.
test('every link to a place in a page finds it', async () => {
  const files = (await readdir(folder, { recursive: true })).filter(file => file.endsWith('.html'))
  const pages = new Map<string, { ids: Set<string>; links: string[] }>()
  for (const file of files) {
    const html = await readFile(join(folder, file), 'utf8')
    const all = (pattern: RegExp) => [...html.matchAll(pattern)].map(([, value]) => decodeURIComponent(value!))
    const name = `/${file.replace(/(?:index)?\.html$/, '')}`
    pages.set(name, { ids: new Set(all(/ id="([^"]+)"/g)), links: all(/ href="([^"]+)"/g) })
  }
  expect(pages.size).toBeGreaterThan(30)
  const lost: string[] = []
  for (const [name, { links }] of pages) {
    for (const link of links.filter(link => link.includes('#') && !/^\w+:/.test(link))) {
      const [path, anchor] = link.split('#') as [string, string]
      const target = path === '' ? name : posix.resolve(posix.dirname(name), path)
      if (!pages.get(target)?.ids.has(anchor)) lost.push(`${name} → ${link}`)
    }
  }
  expect(lost).toEqual([])
})

const SHOWN = ['/', '/start', '/guide/store', '/reference/deploy-json', '/comparison']

test.each([400, 1400])('pages fit a window of %i pixels and load nothing from elsewhere', async width => {
  const { page, complaints, elsewhere } = await openPage(browser!, url)
  await page.setViewportSize({ width, height: 900 })
  for (const path of SHOWN) {
    await page.goto(url + path)
    await page.waitForSelector('.VPFooter, .VPDocFooter, .home-code')
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    await page.screenshot({
      path: join(PICTURES, `${path.slice(1).replaceAll('/', '-') || 'index'}-${width}.png`),
      fullPage: true,
    })
    expect([path, overflow]).toEqual([path, 0])
  }
  expect(complaints).toEqual([])
  expect(elsewhere).toEqual([])
  await page.context().close()
})

test('the search finds a page without a server', async () => {
  const { page, elsewhere } = await openPage(browser!, url)
  await page.goto(`${url}/start`)
  await page.click('.VPNavBarSearch button')
  await page.fill('.VPLocalSearchBox input', 'IDEMPOTENCY_KEY_REUSED')
  await page.waitForSelector('.VPLocalSearchBox .result')
  expect(await page.textContent('.VPLocalSearchBox .results')).toContain('IDEMPOTENCY')
  expect(elsewhere).toEqual([])
  await page.context().close()
})
