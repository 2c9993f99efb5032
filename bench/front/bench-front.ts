/**
 * HTTPS and HTTP/2 in front: the same function behind nginx and behind ours, by TLS 1.3, with the same certificate. CPU
 * time per request, which other load on the machine disturbs least.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TestAuthority } from '../../agent/src/services/proxy/front/front-testing.ts'
import { startFunction } from '../proxy/bench-proxy.ts'
import { ours } from '../proxy/peers.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { cpuTimeUs } from '../support/processes.ts'
import { freePort, run, startProgram, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

/** The same number of requests at once. */
const PROTOCOLS = {
  'HTTP/2': { connections: 16, streams: 4, flags: [], alpn: 'h2' },
  'HTTP/1.1': { connections: 64, streams: 1, flags: ['--h1'], alpn: 'http/1.1' },
} as const
type Protocol = keyof typeof PROTOCOLS
const PROTOCOL_NAMES = Object.keys(PROTOCOLS) as Protocol[]

export const frontBench: Bench = {
  name: 'front',
  title: 'HTTPS and HTTP/2 in front',
  method: `h2load over TLS 1.3, with 16 connections of 4 streams each (HTTP/2) or 64 connections (HTTP/1.1); a 13-byte response from a bare node:http server. nginx with one worker and ours with one process, the same certificate, in turns. Connections stay open.`,
  run: benchFront,
}

interface Front {
  name: string
  /** Of what is measured, with its children. */
  pid: number
  url: string
}

interface Result {
  requestsPerSecond: number
  cpuUs: number
  failures: number
}

async function benchFront(stage: Stage): Promise<Report> {
  const fn = await startFunction(stage)
  const certificates = join(stage.folder, 'certificates')
  await (await TestAuthority.create()).write(certificates, 'localhost', ['localhost', 'front.test'])
  const candidates = [await nginxFront(stage, fn.port, certificates), await ourFront(stage, fn.port, certificates)]
  const seconds = stage.quick ? 1 : 3
  const measured = candidates.flatMap(front => PROTOCOL_NAMES.map(protocol => ({ front, protocol })))
  for (const one of measured) await load(one, 1)
  const results = await takeTurns(measured, stage.quick ? 3 : 9, (one, round) => {
    stage.say(`round ${round + 1}: ${one.front.name}, ${one.protocol}`)
    return load(one, seconds)
  })
  const pick = (name: string, protocol: Protocol, of: keyof Result) =>
    results[measured.findIndex(one => one.front.name === name && one.protocol === protocol)]!.map(result => result[of])
  const versus = (name: string, protocol: Protocol, of: keyof Result) =>
    ratio(pick(name, protocol, of), pick('nginx', protocol, of))
  return {
    tables: [
      {
        head: ['', 'CPU µs/req', '× nginx', 'req/s', '× nginx', 'failures'],
        rows: PROTOCOL_NAMES.flatMap(protocol =>
          candidates.map(({ name }) => [
            `${name}, ${protocol}`,
            figure(median(pick(name, protocol, 'cpuUs'))),
            times(versus(name, protocol, 'cpuUs')),
            figure(median(pick(name, protocol, 'requestsPerSecond'))),
            times(versus(name, protocol, 'requestsPerSecond')),
            String(pick(name, protocol, 'failures').reduce((sum, count) => sum + count, 0)),
          ]),
        ),
      },
    ],
    goals: [
      {
        what: 'CPU per request with TLS 1.3 and HTTP/2, ours to nginx',
        ...{ measured: versus('ours', 'HTTP/2', 'cpuUs'), unit: '×', bound: { kind: 'at most', limit: 1.6 } },
      },
    ],
  }
}

async function load(
  { front: { pid, url }, protocol }: { front: Front; protocol: Protocol },
  seconds: number,
): Promise<Result> {
  const { connections, streams, flags, alpn } = PROTOCOLS[protocol]
  const before = cpuTimeUs(pid)
  const text = await run('h2load', ['-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`, ...flags, url])
  const usedUs = cpuTimeUs(pid) - before
  if (!text.includes('TLS Protocol: TLSv1.3') || !text.includes(`Application protocol: ${alpn}`))
    throw new Error(`not TLS 1.3 and ${protocol}:\n${text}`)
  const [, rate] = /finished in [^,]+, ([\d.]+) req\/s/.exec(text) ?? []
  const [, succeeded] = /(\d+) succeeded/.exec(text) ?? []
  const [, failed] = /(\d+) failed/.exec(text) ?? []
  const [, good] = /status codes: (\d+) 2xx/.exec(text) ?? []
  if (rate === undefined || Number(good) === 0) throw new Error(`no answers:\n${text}`)
  return {
    requestsPerSecond: Number(rate),
    cpuUs: usedUs / Number(good),
    failures: Number(failed) + Number(succeeded) - Number(good),
  }
}

async function ourFront(stage: Stage, functionPort: number, certificates: string): Promise<Front> {
  const port = await freePort()
  const { pid } = await ours(1, undefined, { front: { port, certificates } }).start(stage, functionPort)
  return { name: 'ours', pid, url: `https://localhost:${port}/functions/hello` }
}

async function nginxFront(stage: Stage, functionPort: number, certificates: string): Promise<Front> {
  const [plain, port] = [await freePort(), await freePort()]
  const folder = join(stage.folder, 'nginx-front')
  const file = join(folder, 'nginx.conf')
  await mkdir(folder, { mode: 0o777 })
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream function { server 127.0.0.1:${functionPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${plain};
    listen 127.0.0.1:${port} ssl; http2 on;
    ssl_protocols TLSv1.3; ssl_certificate ${certificates}/localhost.crt; ssl_certificate_key ${certificates}/localhost.key;
    location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  const args = ['-e', join(folder, 'error.log'), '-c', file]
  const { pid }: Program = await startProgram(stage, { command: 'nginx', args, url: `http://127.0.0.1:${plain}/` })
  return { name: 'nginx', pid, url: `https://localhost:${port}/` }
}
