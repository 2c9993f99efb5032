/** Certificates of a real authority (Pebble), which finds the answers to its challenges at a real front. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { CertificateAuthority } from '../../test/support/certificate-authority.ts'
import { until, untilTrue } from '../../test/support/until.ts'
import { IS_WHOLE } from '../../test/support/whole-suite.ts'
import { freePort } from '../host/index.ts'
import { Stage } from '../services/proxy/proxy-testing.ts'
import type { Proxy } from '../services/proxy/proxy.ts'
import { AcmeCertificates, type ChallengeKind } from './index.ts'
import type { Settings } from './acme-testing.ts'

let authority: CertificateAuthority
/** Of the authorities that were started last. */
let root: string | string[]
let trusted: string
let folder: string
let stage: Stage
let proxy: Proxy
let logged: string[]
let wanted: string[]
const ports = { https: 0, http: 0 }
const files = (name: string) => join(folder, name)

beforeAll(async () => {
  ports.https = await freePort()
  ports.http = await freePort()
  authority = await CertificateAuthority.start({ httpPort: ports.http, tlsPort: ports.https, seconds: 3600 })
  root = await authority.root()
  trusted = await readFile(authority.caFile, 'utf8')
})
afterAll(() => authority?.remove())

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-acme-'))
  stage = new Stage()
  logged = []
  wanted = []
  proxy = await stage.proxy({
    front: {
      ...{ host: '127.0.0.1', port: ports.https, redirectPort: ports.http, reloadMs: 20 },
      certificates: files('own'),
      acme: { certificates: files('ca/certificates'), answers: files('answers') },
    },
  })
  await stage.serve(proxy, [await stage.http((_request, response) => response.end('ok'))])
})
afterEach(async () => {
  await stage.end()
  // What is cleared up behind an answer may still write.
  await rm(folder, { recursive: true, maxRetries: 10, retryDelay: 100 })
})

async function look(
  kinds: [ChallengeKind, ...ChallengeKind[]] = ['http-01'],
  directoryUrl = authority.directoryUrl,
  more: { trusted?: string; bindingFile?: string } = {},
) {
  const say = (message: string) => void logged.push(message)
  const certificates = await AcmeCertificates.open({
    authority: { directoryUrl, trusted, email: 'ops@example.org', answers: files('answers'), ...more },
    ...{ folder: files('ca'), kinds, wanted: () => wanted, onChange: () => undefined },
    log: { info: say, warn: say },
  })
  stage.onEnd(() => certificates.close())
  return certificates
}

function ask(domain: string, agent: https.Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port: ports.https, path: '/functions/fn', headers: { host: domain } }
    const request = https.get({ ...to, servername: domain, ca: root, agent }, response => {
      text(response).then(resolve, reject)
    })
    request.on('error', reject)
  })
}

const answers = (domain: string) =>
  until(() => ask(domain).catch(() => undefined), 30_000, `${domain} answers: ${logged.join('; ')}`)

/** The front serves it a moment before all of it is written down. */
const isDone = (domain: string) =>
  untilTrue(() => logged.some(message => message.startsWith(`certificate for ${domain}`)), `${domain} is done`)

test.each<ChallengeKind>(['http-01', 'tls-alpn-01'])('by %s a name gets a certificate and is served', async kind => {
  wanted = [`${kind}.test`]
  const certificates = await look([kind])
  expect(await answers(wanted[0]!)).toBe('ok')
  // The front is quicker than what is cleared up behind it.
  await expect.poll(() => certificates.views).toEqual([{ domain: wanted[0], validTo: expect.any(Date) }])
  for (const name of ['ca/account.json', `ca/certificates/${wanted[0]}.pem`]) {
    expect((await stat(files(name))).mode & 0o777).toBe(0o600)
  }
  // What was needed on the way is gone.
  const left = async () => [
    ...(await Promise.all(['answers', 'ca/orders'].map(name => readdir(files(name))))),
    await readFile(files('ca/tries.json'), 'utf8'),
  ]
  await expect.poll(left).toEqual([[], [], '{}'])
})

test('an authority that knows its customers is shown the key that it gave, and without it says what is missing', async () => {
  const binding = { kid: 'kid-1', hmacKey: randomBytes(32).toString('base64url') }
  const [httpPort, tlsPort] = [ports.http, ports.https]
  const strict = await CertificateAuthority.start({ httpPort, tlsPort, seconds: 3600, binding })
  stage.onEnd(() => strict.remove())
  const more = { trusted: await readFile(strict.caFile, 'utf8') }
  wanted = ['bound.test']
  const without = await look(['http-01'], strict.directoryUrl, more)
  const problemOf = (of: AcmeCertificates) => expect.poll(() => of.views[0]?.problem ?? '')
  await problemOf(without).toMatch(/externalAccountBinding/)
  without.close()
  const bindingFile = files('eab.json')
  const tried = async (text: string) => {
    await writeFile(bindingFile, text)
    const certificates = await look(['http-01'], strict.directoryUrl, { ...more, bindingFile })
    await certificates.tryNow('bound.test')
    return certificates
  }
  const broken = await tried('{"kid": "kid-1", "hmacKey": "not base64url!"}')
  await problemOf(broken).toMatch(/eab\.json must be/)
  expect(broken.views[0]!.problem).not.toContain('not base64url!')
  broken.close()
  const bound = await tried(JSON.stringify(binding))
  await expect.poll(() => bound.views[0]?.validTo).toBeDefined()
})

test('only names that are wanted are asked for, whatever clients name; one that is added is asked for at once', async () => {
  wanted = ['first.test']
  const certificates = await look()
  await answers('first.test')
  const before = authority.log.length
  for (const name of ['stranger.test', 'first.test.evil.test', '../../etc']) {
    const socket = tls.connect({ host: '127.0.0.1', port: ports.https, servername: name, rejectUnauthorized: false })
    const shown = await new Promise<string>((resolve, reject) => {
      socket.on('secureConnect', () => resolve(socket.getPeerCertificate().subjectaltname ?? '')).on('error', reject)
    })
    expect(shown).toBe('DNS:first.test')
    socket.destroy()
    const challenge = tls.connect({
      ...{ host: '127.0.0.1', port: ports.https, servername: name, rejectUnauthorized: false },
      ALPNProtocols: ['acme-tls/1'],
    })
    await new Promise(done => challenge.on('error', done).on('close', done))
  }
  expect(authority.log.slice(before)).not.toContain('new-order')
  wanted = ['first.test', 'second.test']
  certificates.check()
  expect(await answers('second.test')).toBe('ok')
})

test('a failure is told with its reason, waits longer each time, also after a restart, and leaves others alone', async () => {
  wanted = ['blocked.test', 'good.test']
  const certificates = await look()
  expect(await answers('good.test')).toBe('ok')
  await isDone('good.test')
  await untilTrue(() => certificates.views[0]!.nextTryAt !== undefined, 'the failure')
  const [blocked] = certificates.views
  expect(blocked).toMatchObject({ domain: 'blocked.test', problem: expect.stringMatching(/^http-01: .*policy/) })
  expect(blocked!.nextTryAt!.getTime()).toBeGreaterThan(Date.now() + 100_000)
  expect(logged.filter(message => message.startsWith('no certificate for blocked.test'))).toHaveLength(1)
  certificates.close()
  const again = await look(['http-01', 'tls-alpn-01'])
  expect(again.views[0]).toEqual(blocked)
  expect(await again.tryNow('blocked.test')).toBe(true)
  // The other way is tried next.
  await untilTrue(() => again.views[0]!.problem!.startsWith('tls-alpn-01: '), 'the second attempt')
  expect(again.views[0]!.nextTryAt!.getTime()).toBeGreaterThan(blocked!.nextTryAt!.getTime())
  expect(await again.tryNow('good.test')).toBe(false)
})

test('an authority that is away, has lost its memory, or is none: no name is lost, and it is told', async () => {
  wanted = ['kept.test']
  const certificates = await look()
  await answers('kept.test')
  await authority.stop()
  await authority.resume()
  root = await authority.root()
  wanted = ['kept.test', 'late.test']
  certificates.check()
  expect(await answers('late.test')).toBe('ok')
  certificates.close()
  const absent = await look(['http-01'], `https://localhost:${await freePort()}/dir`)
  wanted = ['nobody.test']
  absent.check()
  await untilTrue(() => absent.views[0]!.problem !== undefined, 'the failure')
  expect(absent.views[0]!.problem).toMatch(/ECONNREFUSED/)
}, 60_000)

test('damaged files are replaced: account, order, attempts, certificate', async () => {
  wanted = ['torn.test']
  for (const name of ['account.json', 'tries.json', 'orders/torn.test.json', 'certificates/torn.test.pem']) {
    await mkdir(dirname(files(`ca/${name}`)), { recursive: true })
    await writeFile(files(`ca/${name}`), '{"key":')
  }
  await look()
  expect(await answers('torn.test')).toBe('ok')
  await isDone('torn.test')
})

/** Looks after a certificate in a process of its own. */
function startProcess(domain: string, more: Partial<Settings> = {}): ChildProcess {
  const settings: Settings = {
    ...{ folder: files('ca'), answers: files('answers'), directoryUrl: authority.directoryUrl, trusted, aheadMs: 0 },
    ...{ kinds: ['http-01'], domains: [domain] },
    ...more,
  }
  const entry = join(inject('entries'), 'acme/acme-testing.js')
  const child = spawn(process.execPath, [entry, JSON.stringify(settings)], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  stage.onEnd(async () => {
    child.kill('SIGKILL')
    await gone
  })
  return child
}

/** Kills it when a file appears. */
async function killAt(child: ChildProcess, folder: string, isIt: (name: string) => boolean): Promise<void> {
  await mkdir(folder, { recursive: true })
  const watcher = watch(folder, (_event, name) => isIt(name ?? '') && child.kill('SIGKILL'))
  await once(child, 'exit')
  watcher.close()
}

/** What is on disk when the process is killed. */
const STEPS = {
  'the key of the account is written': 'ca/account.json',
  'the attempt is written down': 'ca/tries.json',
  'the order is placed': 'ca/orders/killed.test.json',
  'the answer is shown': 'answers',
  'the certificate is written': 'ca/certificates/killed.test.pem',
}

/** In the gate what the authority knows of, and what it gave. */
const steps = Object.entries(STEPS).filter((_, index, { length }) => IS_WHOLE || index === 2 || index === length - 1)

test.each(steps)('killed when %s, the next process brings it to an end', async (_step, file) => {
  const isAnswer = (name: string) => !name.includes('.')
  if (file === 'answers') await killAt(startProcess('killed.test'), files(file), isAnswer)
  else await killAt(startProcess('killed.test'), files(dirname(file)), name => name === basename(file))
  const key = await readFile(files('ca/account.json'), 'utf8').catch(() => undefined)
  const placed = await readFile(files('ca/orders/killed.test.json'), 'utf8').catch(() => undefined)
  startProcess('killed.test')
  expect(await answers('killed.test')).toBe('ok')
  if (key !== undefined) expect(await readFile(files('ca/account.json'), 'utf8')).toBe(key)
  if (placed === undefined) return
  // It went on with the order that was there: the certificate has its key.
  const { key: ordered } = JSON.parse(placed) as { key: string }
  expect(await readFile(files('ca/certificates/killed.test.pem'), 'utf8')).toContain(ordered.trim())
})

/** Between two calls of one client: with all that the machine can do, nothing else gets on. */
const PAUSE_MS = 5
/** Short for the clock that is ahead; nothing waits for it, and a busy machine is done by then. */
const SHORT_SECONDS = 90

test('it is renewed in time, killed in the middle of that or not, and no call is lost', async () => {
  const short = await CertificateAuthority.start({ httpPort: ports.http, tlsPort: ports.https, seconds: SHORT_SECONDS })
  stage.onEnd(() => short.remove())
  root = [await authority.root(), await short.root()]
  const place = files('ca/orders')
  const of = { directoryUrl: short.directoryUrl, trusted: await readFile(short.caFile, 'utf8') }
  const first = startProcess('short.test', of)
  expect(await answers('short.test')).toBe('ok')
  const file = files('ca/certificates/short.test.pem')
  const before = await readFile(file, 'utf8')
  const outcomes = new Map<string, number>()
  let isOver = false
  const agent = new https.Agent({ keepAlive: true })
  stage.onEnd(() => agent.destroy())
  const call = async (kept: https.Agent | false) => {
    while (!isOver) {
      const outcome = await ask('short.test', kept).catch(String)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      await setTimeout(PAUSE_MS)
    }
  }
  const calling = [call(agent), call(false), call(false)]
  // Its turn comes when a third of its life is left; by a clock that is ahead, that is now. The next one is good for longer.
  first.kill('SIGKILL')
  const aheadMs = (SHORT_SECONDS * 1_000 * 2) / 3
  await killAt(startProcess('short.test', { aheadMs }), place, name => name === 'short.test.json')
  expect(await readFile(file, 'utf8')).toBe(before)
  startProcess('short.test', { aheadMs })
  await until(async () => (await readFile(file, 'utf8')) !== before || undefined, 30_000, 'a new one')
  const shown = () =>
    new Promise<number>((resolve, reject) => {
      const socket = tls.connect({ host: '127.0.0.1', port: ports.https, servername: 'short.test', ca: root }, () => {
        resolve(Date.parse(socket.getPeerCertificate().valid_to))
        socket.destroy()
      })
      socket.on('error', reject)
    })
  const ended = Date.parse(new X509Certificate(before).validTo)
  await untilTrue(async () => (await shown()) > ended, 'the new one is served')
  isOver = true
  await Promise.all(calling)
  expect([...outcomes.keys()]).toEqual(['ok'])
  expect(outcomes.get('ok')).toBeGreaterThan(100)
}, 90_000)
