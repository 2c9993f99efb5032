/** A collector on a free port for a test, and its forwarding target. */
import { mkdtemp, rm } from 'node:fs/promises'
import http, { type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { startCollector, type Collector, type CollectorOptions } from '../collector.ts'

export class Stage {
  readonly registry = new Registry()
  changes = 0
  private readonly closers: (() => Promise<unknown>)[] = []

  onEnd(close: () => Promise<unknown>): void {
    this.closers.push(close)
  }

  async end(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close()
  }

  async collector(options: Partial<CollectorOptions> = {}): Promise<Collector> {
    const folder = await mkdtemp(join(tmpdir(), 'rfa-collector-'))
    this.onEnd(() => rm(folder, { recursive: true }))
    const collector = await startCollector({
      folder: join(folder, 'traces'),
      host: '127.0.0.1',
      extraHosts: [],
      hostNames: ['gateway.test'],
      port: 0,
      access: TEST_KEYS,
      environment: {},
      logger: pino({ level: 'silent' }),
      registry: this.registry,
      onChange: () => this.changes++,
      ...options,
    })
    this.onEnd(() => collector.close())
    return collector
  }

  /** The value of a metric, named with its labels as in the text; 0 if absent. */
  async metric(series: string): Promise<number> {
    const line = (await this.registry.metrics()).split('\n').find(each => each.startsWith(`${series} `))
    return Number(line?.slice(series.length) ?? 0)
  }
}

export interface Request {
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Responds to each request with the next of `statuses`, repeating the last one. */
export async function receiver(stage: Stage, statuses: number[]): Promise<{ url: string; requests: Request[] }> {
  const requests: Request[] = []
  const server = http.createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    response.statusCode = statuses[Math.min(requests.length, statuses.length - 1)]!
    if (response.statusCode === 503) response.setHeader('retry-after', '0')
    requests.push({ path: request.url!, headers: request.headers, body: Buffer.concat(pieces) })
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.onEnd(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
