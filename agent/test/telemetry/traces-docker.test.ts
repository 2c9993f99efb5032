/** Inside the private network the collector is reachable, and the agent is not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { otlpRequest, otlpSpan, traceId } from '../../src/observability/collector/testing/spans.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { readState } from './collector-client.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test('a function in a container sends spans to the collector by the name of the proxy', async () => {
  const { proxyUrl, project } = await platform.start('docker')
  const { ports } = await readState(platform.home)
  const send = `
    export const Send = async (request: Request): Promise<Response> => {
      const { url, body } = await request.json()
      const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + process.env.RYO_FAAS_TOKEN }
      const status = await fetch(url, { method: 'POST', headers, body }).then(({ status }) => status, () => 0)
      return new Response(String(status))
    }`
  await platform.ok(['deploy', await writeProject(`${platform.home}/functions`, { Send: { code: send } })])
  const body = JSON.stringify(otlpRequest([otlpSpan(1)], 'Send'))
  const sent = async (port: number) => {
    const url = `http://${project}-proxy:${port}/v1/traces`
    const request = { method: 'POST', body: JSON.stringify({ url, body }) }
    return (await fetch(`${proxyUrl}/functions/send`, request)).text()
  }
  expect(await sent(ports['collector']!)).toBe('200')
  const client = await platform.client()
  await until(() => client.call('trace', { params: { id: traceId(1) } }).catch(() => undefined))
  expect(await sent(ports['agent']!)).toBe('0')
})
