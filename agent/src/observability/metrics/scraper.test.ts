import http, { type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Scraper, type Target } from './scraper.ts'

const servers: http.Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = http.createServer(listener)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const pageOf = (targets: Target[]) =>
  new Scraper({ own: async () => 'own 1\n', targets: async () => targets, timeoutMs: 3_000 }).page()

it('leaves out parts that hang, fail, are down or respond endlessly, and reports them', async () => {
  const fine = await serve((_, response) => response.end('fine 1\n'))
  const hangs = await serve(() => undefined)
  const fails = await serve((_, response) => response.writeHead(500).end('fine 2\n'))
  const endless = await serve((_, response) => {
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', write)
    write()
  })
  const { body, contentType } = await pageOf([
    { part: 'proxy', url: fine },
    { part: 'store', url: hangs },
    { part: 'dispatcher', url: fails },
    { part: 'function', url: endless, function: { name: 'A', instance: 'i1' } },
    { part: 'function', url: 'http://127.0.0.1:1', function: { name: 'A', instance: 'i2' } },
  ])
  expect(contentType).toMatch(/^text\/plain/)
  const lines = body.split('\n').filter(line => !line.startsWith('#') && !line.includes('duration'))
  expect(lines).toEqual([
    'own{part="agent"} 1',
    'fine{part="proxy"} 1',
    'faas_scrape_up{part="proxy"} 1',
    'faas_scrape_up{part="store"} 0',
    'faas_scrape_up{part="dispatcher"} 0',
    'faas_scrape_up{faas_name="A",faas_instance="i1",part="function"} 0',
    'faas_scrape_up{faas_name="A",faas_instance="i2",part="function"} 0',
    '',
  ])
})

it('scrapes many concurrently, but not all at once', async () => {
  let asked = 0
  let most = 0
  const url = await serve((_, response) => {
    most = Math.max(most, ++asked)
    setImmediate(() => {
      asked--
      response.end('x 1\n')
    })
  })
  const targets = Array.from({ length: 60 }, (_, i) => ({
    part: 'function',
    url,
    function: { name: 'A', instance: `i${i}` },
  }))
  const { body } = await pageOf(targets)
  expect(body.match(/^x\{/gm)).toHaveLength(60)
  expect(most).toBeLessThanOrEqual(16)
})
