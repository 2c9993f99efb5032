/** Proxies in front of one function: others' and ours. Each is its own process; none writes an access log. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { RouteTableInput } from '../../agent/src/routes/index.ts'
import { ProxyControl } from '../../agent/src/services/proxy/index.ts'
import type { TracingSettings } from '../../runtime/src/telemetry/index.ts'
import { functionNode, proxyEntry } from '../support/places.ts'
import { freePort, startProgram, until, type Program } from '../support/programs.ts'
import type { Stage } from '../support/stage.ts'

export interface Peer {
  name: string
  start(stage: Stage, functionPort: number): Promise<Program>
}

/** Buffering by default, which is best for small responses, or off, to stream large bodies. */
export function nginx(bodies: 'buffered' | 'streamed'): Peer {
  return {
    name: 'nginx',
    start: async (stage, functionPort) => {
      const port = await freePort()
      const folder = join(stage.folder, `nginx-${port}`)
      const file = join(folder, 'nginx.conf')
      await mkdir(folder, { mode: 0o777 })
      await writeFile(file, nginxConfig({ folder, port, functionPort, bodies }))
      const args = ['-e', join(folder, 'error.log'), '-c', file]
      return startProgram(stage, { command: 'nginx', args, url: `http://127.0.0.1:${port}/` })
    },
  }
}

function nginxConfig(about: { folder: string; port: number; functionPort: number; bodies: string }): string {
  const { folder, port, functionPort, bodies } = about
  const streaming = bodies === 'streamed' ? 'proxy_buffering off; proxy_request_buffering off;' : ''
  return `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 0;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream function { server 127.0.0.1:${functionPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    ${streaming}
    location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`
}

export const haproxy: Peer = {
  name: 'HAProxy',
  start: async (stage, functionPort) => {
    const port = await freePort()
    const file = join(stage.folder, `haproxy-${port}.cfg`)
    await writeFile(
      file,
      `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend function
backend function
  server one 127.0.0.1:${functionPort}
`,
    )
    return startProgram(stage, { command: 'haproxy', args: ['-f', file], url: `http://127.0.0.1:${port}/` })
  },
}

export const fastifyHttpProxy: Peer = {
  name: '@fastify/http-proxy',
  start: async (stage, functionPort) => {
    const port = await freePort()
    const file = join(stage.folder, `http-proxy-${port}.cjs`)
    await writeFile(
      file,
      `const load = require('node:module').createRequire(${JSON.stringify(createRequire(import.meta.url).resolve('@fastify/http-proxy'))})
const fastify = load('fastify')()
fastify.register(load('@fastify/http-proxy'), { upstream: 'http://127.0.0.1:${functionPort}' })
fastify.listen({ host: '127.0.0.1', port: ${port} })
`,
    )
    return startProgram(stage, { command: functionNode, args: [file], url: `http://127.0.0.1:${port}/` })
  },
}

/** Beyond what every proxy of ours has. */
export interface OursMore {
  /** Of the one function. */
  route?: Partial<RouteTableInput['routes'][number]>
  /** Of its callers. */
  table?: Pick<RouteTableInput, 'keys' | 'secrets'>
  /** HTTPS in front of it. */
  front?: { port: number; certificates: string }
}

/**
 * Ours as shipped: metrics on, trace headers on, fed with its route through the control socket.
 * @param traces which spans are recorded and where they go; absent: none
 */
export function ours(workers: number, traces?: TracingSettings, more: OursMore = {}): Peer {
  return {
    name: workers === 1 ? 'ours' : `ours, ${workers} workers`,
    start: async (stage, functionPort) => {
      const port = await freePort()
      const file = join(stage.folder, `proxy-${port}.json`)
      const controlPath = join(stage.folder, `proxy-${port}.sock`)
      const front = more.front && { host: '127.0.0.1', ...more.front }
      const options = { port, controlPath, workers, ...(front && { front }) }
      await writeFile(file, JSON.stringify({ ...options, traces }))
      const args = [proxyEntry, file]
      const program = await startProgram(stage, {
        command: functionNode,
        args,
        url: `http://127.0.0.1:${port}/healthz`,
      })
      const instances = [{ id: 'one', host: '127.0.0.1', port: functionPort }]
      const route = {
        name: 'hello',
        displayName: 'Hello',
        version: 1,
        timeoutMs: 300_000,
        concurrency: 0,
        isAnonymous: true,
        instances,
        ...more.route,
      }
      const control = new ProxyControl({ controlPath })
      await until(() => control.setRoutes({ generation: 1, routes: [route], ...more.table }))
      return { ...program, url: `http://127.0.0.1:${port}/functions/hello` }
    },
  }
}
