/**
 * Entry of a process that waits for a function, with what every function loads already loaded. It blocks, without
 * using the processor, on a file that ends when everything was handed over: the one named by its argument (a FIFO) or
 * its standard input. Then it runs the function once, as if it had been started with it.
 *
 * It imports nothing of ours: it is copied to where it runs. It is an ES module like our entries, so that
 * `require.main` and `process.mainModule` are as undefined in the function as they would be without it.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, isIPv6, type AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import type { HandOver } from '../protocol/hand-over.ts'

// Loaded as modules too: making one of a part of Node takes as long as loading it.
await Promise.all([
  import('node:async_hooks'),
  import('node:crypto'),
  import('node:diagnostics_channel'),
  import('node:fs'),
  import('node:http'),
  import('node:module'),
  import('node:net'),
  import('node:os'),
  import('node:path'),
  import('node:timers/promises'),
  import('node:url'),
  import('node:util'),
])
await Promise.all([serveOnce(), readOnce()]).catch(() => undefined)

const text = readFileSync(process.argv[2] ?? 0, 'utf8')
// Who would hand over is gone.
if (text === '') process.exit(0)
const { entry, cwd, env } = JSON.parse(text) as HandOver
process.argv.splice(1, Infinity, entry)
Object.assign(process.env, env)
if (cwd !== undefined) process.chdir(cwd)
await import(pathToFileURL(entry).href)

/** What Node compiles when it is first called, it compiles before the function is there. On loopback, once, and closed. */
async function serveOnce(): Promise<void> {
  const server = createServer((request, response) => request.resume().on('end', () => response.end('ready')))
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.end('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1')
    await once(socket.resume(), 'close')
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function readOnce(): Promise<void> {
  const request = new Request('http://localhost/', { method: 'POST', headers: { accept: '*/*' }, body: '1' })
  await new Response(await request.text(), { headers: { 'content-type': 'text/plain' } }).text()
  // V8 compiles an expression that is used twice.
  for (const address of ['127.0.0.1', '127.0.0.1', '::1']) isIPv6(address)
  performance.now()
}
