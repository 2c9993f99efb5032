/** Chromium, and a page that records what should not happen in it. */
import { chromium, type Browser, type Page } from 'playwright-core'
import { programOf } from '../support/system-packages.ts'

/** @throws with the command that installs it. */
export async function launchBrowser(more: readonly string[] = []): Promise<Browser> {
  const executablePath = programOf('chromium')
  if (executablePath === undefined) throw new Error('Chromium is missing: apt-get install -y chromium')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...more] })
}

export interface Watched {
  page: Page
  /** Errors and warnings of the console, and uncaught errors. */
  complaints: string[]
  /** Requested addresses other than the agent's. */
  elsewhere: string[]
}

/** @param agentUrl whose page it is: requests to other addresses are recorded */
export async function openPage(browser: Browser, agentUrl: string): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } })
  const page = await context.newPage()
  // A busy machine.
  page.setDefaultTimeout(90_000)
  const watched: Watched = { page, complaints: [], elsewhere: [] }
  page.on('console', message => {
    if (message.type() !== 'log' && message.type() !== 'info') watched.complaints.push(message.text())
  })
  page.on('pageerror', error => watched.complaints.push(String(error)))
  page.on('request', request => {
    const url = request.url()
    if (!url.startsWith(`${agentUrl}/`) && !url.startsWith('data:')) watched.elsewhere.push(url)
  })
  return watched
}
