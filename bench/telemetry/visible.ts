/** From the end of a call to its row in the dashboard: a platform, and a browser showing the list of traces. */
import { join } from 'node:path'
import { launchBrowser, openPage } from '../../agent/test/telemetry/browser.ts'
import { writeProject } from '../../agent/test/support/platform.ts'
import { dashboardUrl, readAgentFile } from '../../agent/src/client/index.ts'
import { quantile } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { pause } from '../support/programs.ts'
import { figure, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const CODE = `export const seen = () => new Response('seen')`
const NEXT_CALL_MS = 150

export async function visible(stage: Stage): Promise<{ table: Report['tables'][number]; slowestMs: number }> {
  const calls = stage.quick ? 10 : 50
  const platform = await startPlatform(stage, 'process')
  await platform.ok(['deploy', await writeProject(join(platform.home, 'seen'), { seen: { code: CODE } })])
  const { proxyUrl } = await platform.view()
  const { agent, token } = (await readAgentFile(platform.home))!
  const browser = await launchBrowser()
  stage.onEnd(() => browser.close())
  const { page } = await openPage(browser, agent.url)
  await page.goto(dashboardUrl({ url: agent.url, token }, '/traces'))
  const delays: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const response = await fetch(`${proxyUrl}/functions/seen`)
    await response.text()
    const begin = performance.now()
    const traceId = response.headers.get('x-request-id')!
    await page.locator(`a[href="#/trace/${traceId}"]`).waitFor()
    delays.push(performance.now() - begin)
    await pause(NEXT_CALL_MS)
  }
  const row = ['answer read to row in the dashboard', ...[0.5, 0.9, 1].map(part => figure(quantile(delays, part)))]
  return {
    slowestMs: Math.max(...delays),
    table: { title: 'From a call to its trace', head: ['', 'p50 ms', 'p90 ms', 'most ms'], rows: [row] },
  }
}
