/**
 * A platform that faces the internet by itself: HTTPS with certificates that it gets from an authority (Pebble), seen from
 * a namespace that stands for the internet. What deploy.json opens is open, and no other door.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAgentFile } from '../../src/client/index.ts'
import type { PlatformView } from '../../src/contract/index.ts'
import { freePort } from '../../src/host/index.ts'
import { CertificateAuthority } from '../support/certificate-authority.ts'
import { launchBrowser } from '../telemetry/browser.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { Neighbour } from '../support/probes.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const CODE = (name: string, body: string) => `
import { context } from '@ryo-faas/runtime'
export const ${name} = async (request: Request) => ${body}`

let authority: CertificateAuthority
let platform: TestPlatform
let internet: Neighbour
let root: string
const ports = { https: 0, http: 0 }

beforeAll(async () => {
  internet = await Neighbour.make()
  ports.https = await freePort()
  ports.http = await freePort()
  authority = await CertificateAuthority.start({ httpPort: ports.http, tlsPort: ports.https, seconds: 90 * 86_400 })
  platform = await TestPlatform.make()
  await platform.start('process', [
    ...['--https', `0.0.0.0:${ports.https}`, '--http-redirect', `${ports.http}`],
    ...['--acme', 'ops@example.org', '--acme-directory', authority.directoryUrl, '--ca', authority.caFile],
    ...['--acme-domains', 'blocked.test', '--dashboard-host', 'ops.test'],
  ])
  root = join(platform.home, 'root.pem')
  await writeFile(root, await authority.root())
  const said = `Response.json({ proto: request.headers.get('x-forwarded-proto'), from: request.headers.get('x-forwarded-for') })`
  const file = await writeProject(join(platform.home, 'shop'), {
    shop: { code: CODE('shop', said), options: { access: 'public', domains: ['shop.test'] } },
    unruled: { code: CODE('unruled', 'new Response()') },
    hidden: { code: CODE('hidden', 'new Response()'), options: { access: 'private' } },
  })
  await platform.ok(['deploy', file])
  await until(async () => (await asked('/')).status === 200 || undefined, 30_000, 'the certificate')
})
afterAll(async () => {
  await platform.remove()
  await authority.remove()
  await internet.remove()
})

interface Answer {
  status: number
  version: string
  body: string
}

/** With curl, from the internet; status 0 if there was no answer. */
async function asked(path: string, more: string[] = [], name = 'shop.test'): Promise<Answer> {
  const args = ['-sS', '--cacert', root, '--resolve', `shop.test:${ports.https}:${internet.gateway}`]
  const shown = ['-w', '\n%{http_version} %{http_code}', '--max-time', '20']
  const url = `https://${name}:${ports.https}${path}`
  const text = await internet.run('curl', [...args, ...shown, ...more, url]).catch(() => '\n0 0')
  const [, body = '', version = '', status] = /^([^]*)\n(\S+) (\d+)$/.exec(text) ?? []
  return { status: Number(status), version, body }
}

test('a deployment with a domain is reached by it, with a certificate of the authority, over HTTP/2 and HTTP/1.1', async () => {
  expect(await asked('/', ['--http2'])).toMatchObject({ status: 200, version: '2' })
  const { body, version } = await asked('/any/path', ['--http1.1'])
  expect([version, JSON.parse(body)]).toEqual(['1.1', { proto: 'https', from: internet.address }])
  const posted = await asked('/', ['--http2', '--data', 'x'.repeat(10_000), '-H', 'X-Forwarded-For: 6.6.6.6'])
  expect(JSON.parse(posted.body)).toEqual({ proto: 'https', from: internet.address })
})

test('how long certificates are good, and which could not be had, is told', async () => {
  const good = (name: string) => ({ names: [name], source: 'acme', expiresAt: expect.stringMatching(/^20/) })
  const seen = async () => {
    const { certificates } = await platform.view()
    return certificates?.filter(each => each.problem ?? each.expiresAt).length === 3 ? certificates : undefined
  }
  expect(await until(seen, 30_000, 'the refusal')).toEqual([
    {
      names: ['blocked.test'],
      source: 'acme',
      problem: expect.stringMatching(/policy/),
      nextTryAt: expect.any(String),
    },
    good('shop.test'),
    good('ops.test'),
  ])
  const printed = await platform.ok(['details'])
  expect(printed).toMatch(/shop\.test +acme +89/)
  expect(printed).toMatch(/blocked\.test +acme +none +http-01: /)
  const { agent, token } = (await readAgentFile(platform.home))!
  const metrics = await (await fetch(`${agent.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  expect(metrics).toMatch(/^faas_certificate_days_left\{domain="shop\.test",source="acme",part="agent"\} 89\./m)
  expect(metrics).toMatch(/^faas_certificate_failing\{domain="blocked\.test",part="agent"\} 1$/m)
  expect(await readFile(join(platform.home, 'logs', 'agent.log'), 'utf8')).toContain('no certificate for blocked.test')
})

test('what has no rule is refused, and so are the doors of the operator', async () => {
  const statusOf = async (path: string, more: string[] = []) => (await asked(path, more)).status
  const at = ['-H', 'Host: other.test']
  const atAddress = ['-H', `Host: ${internet.gateway}`]
  const post = ['-X', 'POST']
  for (const [path, more, status] of [
    ['/functions/unruled', at, 403],
    ['/functions/hidden', at, 403],
    ['/async-function/unruled', [...at, ...post], 403],
    ['/functions/shop', at, 200],
    ...['/metrics', '/calls', '/calls/events', '/openapi.json'].map(path => [path, atAddress, 401] as const),
    ...['/calls/redrive', '/events'].map(path => [path, [...atAddress, ...post], 401] as const),
    ...['/metrics', '/calls'].map(path => [path, at, 403] as const),
  ] as const) {
    expect([path, await statusOf(path, [...more])]).toEqual([path, status])
  }
  const moved = await internet.fetch(`http://${internet.gateway}:${ports.http}/x`).catch(String)
  // It was sent on to HTTPS, whose certificate is for no address.
  expect(moved).toMatch(/fetch failed/)
})

test('in a browser, over HTTP/2: the dashboard at its name, for those who sign in, as far as their token goes', async () => {
  const tokenOf = async (name: string, can: string, more: string[] = []) =>
    /ryotoken_\w+/.exec(await platform.ok(['token', 'create', name, '--can', can, ...more]))![0]
  const [reader, operator] = [await tokenOf('Reader', 'read'), await tokenOf('Ops', 'admin')]
  const browser = await launchBrowser(['--host-resolver-rules=MAP *.test 127.0.0.1'])
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1360, height: 900 } })
  const page = await context.newPage()
  const url = `https://ops.test:${ports.https}`
  try {
    // Networks of containers come and go beside this test, and the browser breaks off what it loads then.
    const isBrokenOff = (text: string) => text.includes('ERR_NETWORK_CHANGED')
    const form = page.getByRole('form', { name: 'Sign in' })
    const isThere = async () => {
      const lost = new Promise<undefined>(resolve => {
        page.on('requestfailed', request => isBrokenOff(request.failure()!.errorText) && resolve(undefined))
      })
      try {
        await page.goto(url)
        return await Promise.race([form.waitFor().then(() => true), lost])
      } catch (error) {
        if (!isBrokenOff((error as Error).message)) throw error
        return undefined
      }
    }
    await until(isThere)
    expect(page.url()).toBe(`${url}/dashboard`)
    const protocol = () =>
      performance.getEntriesByType('navigation').map(entry => (entry as { nextHopProtocol?: string }).nextHopProtocol)
    expect(await page.evaluate(protocol)).toEqual(['h2'])
    const signIn = async (token: string) => {
      await page.getByLabel('Token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    await form.waitFor()
    await picture(page, 'dashboard-sign-in')
    await signIn('ryotoken_wrong')
    await page.getByRole('alert').getByText('not valid here').waitFor()
    await signIn(reader)
    const certificates = page.getByRole('table', { name: 'Certificates' })
    await certificates.getByRole('row', { name: /^shop\.test ACME 89/ }).waitFor()
    await certificates.getByRole('row', { name: /^blocked\.test ACME none .*policy/ }).waitFor()
    await page.getByText('Reader (read)').waitFor()
    expect(await certificates.getByRole('button', { name: 'Try now' }).count()).toBe(0)
    // The page cannot see what makes it that, and cannot do what the role does not say.
    expect(await page.evaluate(() => document.cookie)).toBe('')
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Strict', path: '/', domain: 'ops.test' })
    const retry = () => fetch('/v1/certificates/blocked.test/retry', { method: 'POST' }).then(({ status }) => status)
    expect(await page.evaluate(retry)).toBe(403)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await form.waitFor()
    await signIn(operator)
    await page.getByRole('status').getByText('live').waitFor()
    const nextTry = async () =>
      (await platform.view()).certificates!.find(({ names }) => names[0] === 'blocked.test')!.nextTryAt
    const before = await nextTry()
    await page.locator('.chart canvas').first().waitFor()
    await picture(page, 'dashboard-in-front')
    await certificates.getByRole('button', { name: 'Try now' }).click()
    await until(async () => ((await nextTry()) === before ? undefined : true))
    // Another page of the same site neither sees it nor changes anything.
    const other = await context.newPage()
    await other.goto(`https://shop.test:${ports.https}/`)
    const across = (to: string) =>
      fetch(to, { method: 'POST', credentials: 'include', mode: 'no-cors' }).then(({ status }) => status)
    await other.evaluate(across, `${url}/v1/certificates/blocked.test/retry`)
    const retries = JSON.parse(await platform.ok(['audit', '--json'])) as {
      action: string
      from: string
      who: string
    }[]
    expect(retries.filter(({ action }) => action === 'retryCertificate')).toEqual([
      expect.objectContaining({ from: '127.0.0.1', who: expect.stringMatching(/^token Ops/) }),
    ])
    // A token that is revoked takes its sessions along.
    await platform.ok(['token', 'revoke', 'Ops', '--yes'])
    await form.waitFor()
  } finally {
    await browser.close()
  }
})

test('at the name of the dashboard there is nothing else, and at other names there is no dashboard', async () => {
  const at = (path: string, more: string[] = []) =>
    asked(path, ['--resolve', `ops.test:${ports.https}:${internet.gateway}`, ...more], 'ops.test')
  expect((await at('/')).status).toBe(303)
  expect((await at('/dashboard')).status).toBe(200)
  for (const path of ['/v1/platform', '/v1/events']) expect([path, (await at(path)).status]).toEqual([path, 401])
  expect((await at('/session')).status).toBe(200)
  for (const path of [
    '/v1/deployments',
    '/v1/secrets',
    '/v1/tokens',
    '/functions/shop',
    '/metrics',
    '/healthz',
    '/openapi.json',
  ]) {
    expect([path, (await at(path)).status]).toEqual([path, 404])
  }
  const { token } = (await readAgentFile(platform.home))!
  for (const more of [
    ['-H', `Authorization: Bearer ${token}`],
    ['-H', 'Cookie: __Host-ryo-faas-session=xxxxxxxxxxxxxxxxxxxxxxxxxxxx'],
  ]) {
    expect((await at('/v1/platform', more)).status).toBe(401)
  }
  // One connection, two names.
  expect((await at('/', ['-H', 'Host: shop.test'])).status).toBe(421)
  expect((await asked('/', ['-H', 'Host: ops.test'])).status).toBe(421)
  expect((await at('/session', ['-H', 'Content-Type: application/json', '-d', '{"token":"x"}'])).status).toBe(403)
})

test('of all ports on which the platform listens, only those of HTTPS and the redirect are reached', async () => {
  const { pids, parts } = await processesOf(platform)
  const { stdout } = await run('ss', ['-ltnpH'])
  const listening = stdout.split('\n').flatMap(line => {
    const pid = /pid=(\d+)/.exec(line)?.[1]
    const port = /:(\d+) /.exec(line)?.[1]
    return port !== undefined && pids.has(Number(pid)) ? [Number(port)] : []
  })
  for (const { name, address } of parts) {
    if (address !== undefined)
      expect([name, listening.includes(Number(address.split(':').at(-1)))]).toEqual([name, true])
  }
  const reached: number[] = []
  for (const port of new Set(listening)) {
    const outcome = await internet.probe({ host: internet.gateway, port })
    if (outcome !== 'refused') reached.push(port)
  }
  expect(reached.sort()).toEqual([ports.https, ports.http].sort())
})

async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['RYO_FAAS_PICTURES']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** The processes of the platform: parts, workers, functions. */
async function processesOf(of: TestPlatform): Promise<{ pids: Set<number>; parts: PlatformView['parts'] }> {
  const { parts } = await of.view()
  const { stdout } = await run('ps', ['-eo', 'pid=,ppid='])
  const rows = stdout.split('\n').map(line => line.trim().split(/\s+/).map(Number) as [number, number])
  const pids = new Set(parts.flatMap(({ pid }) => pid ?? []))
  for (let before = 0; before < pids.size;) {
    before = pids.size
    for (const [pid, parent] of rows) if (pids.has(parent)) pids.add(pid)
  }
  return { pids, parts }
}
