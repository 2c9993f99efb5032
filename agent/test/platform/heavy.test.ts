/** A body of many times what the proxy may take, and thousands of clients that barely send anything. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlatformView } from '../../src/contract/index.ts'
import { startLoad } from '../support/load.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const MIB = 1024 ** 2
// More than the proxy may grow.
const SIZE_MIB = IS_WHOLE ? 1024 : 256
const BYTES = SIZE_MIB * MIB
const CHUNK = Buffer.alloc(MIB, 'ryo-faas')

let platform: TestPlatform
let view: PlatformView
beforeAll(async () => {
  platform = await TestPlatform.make()
  view = await platform.start('docker')
  const file = await writeProject(join(platform.home, 'project'), {
    // Streams back what it receives.
    echo: {
      code: `import type { IncomingMessage, ServerResponse } from 'node:http'
      export const echo = (req: IncomingMessage, res: ServerResponse) => { req.pipe(res) }`,
      options: { timeoutMs: 600_000, bodyLimitMb: 0 },
    },
  })
  await platform.ok(['deploy', file])
})
afterAll(() => platform.remove())

const proxyPid = () => view.parts.find(({ name }) => name === 'proxy')!.pid!

test(`${SIZE_MIB} MiB stream to a function and back, every byte of it, while the proxy stays small`, async () => {
  const residentMb = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${proxyPid()}/status`, 'utf8'))![1]) / 1024
  const before = await residentMb()
  let peak = 0
  const sent = createHash('sha1')
  const received = createHash('sha1')
  let bytes = 0

  const call = request(`${view.proxyUrl}/functions/echo`, { method: 'POST' })
  const answered = new Promise<void>((resolve, reject) => {
    call.once('error', reject)
    call.once('response', response => {
      expect(response.statusCode).toBe(200)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        received.update(chunk)
      })
      response.once('end', resolve).once('error', reject)
    })
  })
  async function* body() {
    for (let at = 0; at < BYTES; at += CHUNK.length) {
      if (at % (64 * CHUNK.length) === 0) peak = Math.max(peak, await residentMb())
      sent.update(CHUNK)
      yield CHUNK
    }
  }
  await Promise.all([pipeline(Readable.from(body()), call), answered])
  expect(bytes).toBe(BYTES)
  expect(received.digest('hex')).toBe(sent.digest('hex'))
  // Garbage of V8 between two collections; it does not grow with the body.
  expect(peak - before).toBeLessThan(200)
})

test('10,000 clients that never finish their request do not stop those that do', async () => {
  const { hostname, port } = new URL(view.proxyUrl)
  const sockets: Socket[] = []
  try {
    // From several loopback addresses: one may not have enough ports.
    for (let batch = 0; batch < 20; batch++) {
      const opened = Array.from({ length: 500 }, () =>
        openSlowClient(hostname, Number(port), `127.0.0.${2 + (batch % 8)}`),
      )
      sockets.push(...(await Promise.all(opened)))
    }
    expect(sockets.length).toBe(10_000)
    const load = startLoad(`${view.proxyUrl}/functions/echo`, { method: 'POST', body: 'fast' })
    await load.after(3000)
    const { failures, bodies } = await load.stop()
    expect(failures).toEqual([])
    expect(bodies.get('fast')).toBeGreaterThanOrEqual(3000)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

function openSlowClient(host: string, port: number, localAddress: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress }, () => {
      socket.off('error', reject)
      socket.on('error', () => undefined) // The proxy gives up on it after a while, as it should.
      socket.write('GET /functions/echo HTTP/1.1\r\nHost: x\r\nX-Slow: ')
      resolve(socket)
    })
    socket.once('error', reject)
  })
}
