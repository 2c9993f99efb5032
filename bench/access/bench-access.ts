/**
 * What the rules of access cost: the verdict of the gate by itself, the hop with and without a rule, and how exactly a
 * rate is kept by several processes.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { importJWK, jwtVerify, SignJWT } from 'jose'
import { createCallerKey } from '../../agent/src/access/index.ts'
import type { RouteTable } from '../../agent/src/routes/index.ts'
import { CallerRules } from '../../agent/src/services/proxy/access/caller-rules.ts'
import { createGate, Requester, type Place } from '../../agent/src/services/proxy/access/gate.ts'
import { load, type LoadResult } from '../proxy/load.ts'
import { nginx, ours } from '../proxy/peers.ts'
import { startFunction } from '../proxy/bench-proxy.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { freePort, startProgram, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Figures, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const CONNECTIONS = 64
/** Of the platform: each check looks for one of them. */
const KEYS = 1_000
const RATE = { calls: 1_000, periodMs: 1_000 }
const SECRET = 'a secret of at least thirty-two bytes'
const ISSUER = 'https://id.example'
const JWT = { kind: 'jwt', issuer: ISSUER, audience: 'shop', secret: 'HS' }

export const accessBench: Bench = {
  name: 'access',
  title: 'Access rules and rates',
  method: `Verdict: the gate of the proxy in a loop, with ${KEYS} keys, next to what it is made of without us: one SHA-256 with a comparison, and jose's \`jwtVerify\`. Hop: wrk with ${CONNECTIONS} connections, CPU time per request, all proxies in turns. Rate: ${RATE.calls} calls per second allowed to one caller that makes as many as it can over ${CONNECTIONS} connections, by ours and by nginx with two workers each.`,
  run: benchAccess,
}

async function benchAccess(stage: Stage): Promise<Report> {
  const callers = await makeCallers()
  const verdicts = await benchVerdicts(stage, callers)
  const hops = await benchHops(stage, callers)
  const rates = await benchRates(stage)
  return {
    tables: [verdicts.table, hops.table, rates.table],
    goals: [
      { what: 'check of a key, µs', ...atMost(verdicts.usOf('key'), 2) },
      { what: 'token that was seen before, µs', ...atMost(verdicts.usOf('token, cached'), 5) },
      { what: 'CPU per request without a rule, ours to nginx', ...atMost(hops.versusNginx('no rule'), 2.5), unit: '×' },
      { what: 'calls beyond or below the rate, over two workers', ...atMost(rates.offBy('ours'), 1), unit: '%' },
    ],
  }
}

function atMost(measured: number, limit: number) {
  return { measured, unit: '' as const, bound: { kind: 'at most' as const, limit } }
}

interface Callers {
  key: string
  token: string
  keys: NonNullable<RouteTable['keys']>
}

async function makeCallers(): Promise<Callers> {
  const made = Array.from({ length: KEYS }, () => createCallerKey())
  const token = await new SignJWT({ iss: ISSUER, aud: 'shop', sub: 'ann', scope: 'orders:read orders:write' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('2h')
    .sign(new TextEncoder().encode(SECRET))
  return {
    token,
    key: made[KEYS / 2]!.key,
    keys: made.map(({ id, hash }, index) => ({ id, hash, name: `caller ${index}` })),
  }
}

async function benchVerdicts(stage: Stage, { key, token, keys }: Callers) {
  const rules = new CallerRules({ isOpen: true })
  const place = (access?: Place['access']): Place => ({ name: 'hello', ...(access && { access }) })
  const places = { none: place(), key: place({ kind: 'key' }), jwt: place(JWT) }
  const routes = Object.values(places).map(({ access }) => ({ access }))
  rules.update({ generation: 1, routes, keys, secrets: { HS: SECRET } } as unknown as RouteTable)
  const gate = createGate({ rules: rules.rules, isOpen: true })
  const ask = (headers: IncomingHttpHeaders, at: Place) =>
    gate(new Requester({ headers, socket: { remoteAddress: '127.0.0.1' } }, undefined), at)
  const bearer = { authorization: `Bearer ${token}` }
  // The first is verified; the others are known.
  const first = await ask(bearer, places.jwt)
  if (first.kind !== 'pass') throw new Error(`the token was refused: ${first.reason}`)
  if ((await ask({ 'x-api-key': key }, places.key)).kind !== 'pass') throw new Error('the key was refused')

  const hash = createHash('sha256').update(key).digest()
  const secret = await importJWK({ kty: 'oct', k: Buffer.from(SECRET).toString('base64url') }, 'HS256')
  const candidates: { name: string; count: number; run(): unknown }[] = [
    { name: 'no rule', count: 200_000, run: () => ask({}, places.none) },
    { name: 'key', count: 100_000, run: () => ask({ 'x-api-key': key }, places.key) },
    { name: 'key as bearer', count: 100_000, run: () => ask({ authorization: `Bearer ${key}` }, places.key) },
    { name: 'token, cached', count: 100_000, run: () => ask(bearer, places.jwt) },
    {
      name: 'SHA-256 and comparison alone',
      count: 100_000,
      run: () => timingSafeEqual(createHash('sha256').update(key).digest(), hash),
    },
    {
      name: 'jwtVerify of jose, each time',
      count: 2_000,
      run: () => jwtVerify(token, secret, { issuer: ISSUER, audience: 'shop' }),
    },
  ]
  const results = await takeTurns(candidates, stage.quick ? 3 : 15, async ({ name, count, run }, round) => {
    stage.say(`verdicts, round ${round + 1}: ${name}`)
    const calls = stage.quick ? count / 10 : count
    const begin = performance.now()
    for (let call = 0; call < calls; call += 1) {
      const made = run()
      if (made instanceof Promise) await made
    }
    return ((performance.now() - begin) / calls) * 1_000
  })
  const usOf = (name: string) => median(results[candidates.findIndex(one => one.name === name)]!)
  const table: Figures = {
    title: 'verdict of the gate',
    head: ['', 'µs', 'least µs'],
    rows: candidates.map(({ name }, index) => [name, figure(usOf(name)), figure(Math.min(...results[index]!))]),
  }
  return { table, usOf }
}

async function benchHops(stage: Stage, { key, token, keys }: Callers) {
  const fn = await startFunction(stage)
  const table = { keys, secrets: { HS: SECRET } }
  const own = (name: string, access: Place['access'], headers: Record<string, string> = {}) => ({
    ...{
      name,
      headers,
      peer: ours(1, undefined, { table, ...(access && { route: { access } }) }),
    },
  })
  const candidates: { name: string; headers: Record<string, string>; running: Program }[] = []
  for (const { name, headers, peer } of [
    { name: 'nginx', headers: {}, peer: nginx('buffered') },
    own('no rule', undefined),
    own('key', { kind: 'key' }, { 'X-API-Key': key }),
    own('token', JWT, { Authorization: `Bearer ${token}` }),
  ]) {
    const running = await peer.start(stage, fn.port)
    candidates.push({ name, headers, running })
    await load(running, { seconds: 1, connections: CONNECTIONS, headers })
  }
  const seconds = stage.quick ? 1 : 3
  const results = await takeTurns(candidates, stage.quick ? 3 : 9, ({ name, running, headers }, round) => {
    stage.say(`hops, round ${round + 1}: ${name}`)
    return load(running, { seconds, connections: CONNECTIONS, headers })
  })
  const pick = (name: string, of: keyof LoadResult) =>
    results[candidates.findIndex(one => one.name === name)]!.map(result => result[of])
  const versus = (name: string, peer: string) => ratio(pick(name, 'cpuUs'), pick(peer, 'cpuUs'))
  const shown: Figures = {
    title: 'hop',
    head: ['', 'CPU µs/req', '× no rule', '× nginx', 'req/s', 'failures'],
    rows: candidates.map(({ name }) => [
      name,
      figure(median(pick(name, 'cpuUs'))),
      times(versus(name, 'no rule')),
      times(versus(name, 'nginx')),
      figure(median(pick(name, 'requestsPerSecond'))),
      String(pick(name, 'failures').reduce((sum, count) => sum + count, 0)),
    ]),
  }
  return { table: shown, versusNginx: (name: string) => versus(name, 'nginx') }
}

async function benchRates(stage: Stage) {
  const fn = await startFunction(stage)
  const candidates = [
    { name: 'ours', running: await ours(2, undefined, { route: { rate: RATE } }).start(stage, fn.port) },
    { name: 'nginx', running: await limitedNginx(stage, fn.port) },
  ]
  const seconds = stage.quick ? 3 : 10
  const results = await takeTurns(candidates, stage.quick ? 1 : 3, async ({ name, running }, round) => {
    stage.say(`rates, round ${round + 1}: ${name}`)
    // A full period allows as many calls as are made at once; it is used up before.
    await load(running, { seconds: 1, connections: CONNECTIONS })
    return (await load(running, { seconds, connections: CONNECTIONS })).goodPerSecond
  })
  const offBy = (name: string) => {
    const allowed = results[candidates.findIndex(one => one.name === name)]!
    return Math.max(...allowed.map(each => Math.abs(each / RATE.calls - 1) * 100))
  }
  const table: Figures = {
    title: `${RATE.calls} calls per second`,
    head: ['', 'allowed per s', 'most off by'],
    rows: candidates.map(({ name }, index) => [name, figure(median(results[index]!)), `${offBy(name).toFixed(2)} %`]),
  }
  return { table, offBy }
}

/** Two workers; its limit is a leaky bucket in memory that they share. */
async function limitedNginx(stage: Stage, functionPort: number): Promise<Program> {
  const port = await freePort()
  const folder = join(stage.folder, `nginx-limited-${port}`)
  const file = join(folder, 'nginx.conf')
  await mkdir(folder, { mode: 0o777 })
  await writeFile(
    file,
    `daemon off; worker_processes 2; pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  limit_req_zone $binary_remote_addr zone=each:1m rate=${RATE.calls}r/s;
  upstream function { server 127.0.0.1:${functionPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      limit_req zone=each burst=${CONNECTIONS} nodelay;
      proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection "";
    }
  }
}
`,
  )
  return startProgram(stage, {
    command: 'nginx',
    args: ['-e', join(folder, 'error.log'), '-c', file],
    url: `http://127.0.0.1:${port}/`,
  })
}
