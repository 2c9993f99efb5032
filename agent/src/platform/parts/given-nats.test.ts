/** What can be wrong with a server that others run, said at the start; and what happens when it goes and comes back. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { untilTrue } from '../../../test/support/until.ts'
import { connectBus, STREAMS, streamState, type BusAccess } from '../../bus/index.ts'
import { freePort, startNats, startNatsWith, type TestNats } from '../../bus/testing/nats-server.ts'
import { startOperatorNats } from '../../bus/testing/operator-nats.ts'
import { TestAuthority } from '../../services/proxy/front/front-testing.ts'
import { Supervisor } from '../../supervisor/index.ts'
import { PlatformOptions } from '../options.ts'
import { aboutGiven, givenAccess, GivenNats, removeGivenStreams, type GivenNatsOptions } from './given-nats.ts'

let folder: string
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'given-nats-'))))
afterEach(() => rm(folder, { recursive: true }))

const served = async (starting: Promise<TestNats>) => {
  const nats = await starting
  onTestFinished(() => nats.stop())
  return nats
}
const accessTo = (natsUrl: string, more: object = {}) =>
  givenAccess(PlatformOptions.parse({ project: 'shop', natsUrl, ...more }))
const withUser = ({ url, user, password }: TestNats) => url.replace('://', `://${user}:${password}@`)
const part = (access: BusAccess, more: Partial<GivenNatsOptions> = {}) => {
  const given = new GivenNats({ access, replicas: 'auto', limits: {}, ...more })
  onTestFinished(() => given.stop())
  return given
}
const refusal = (access: BusAccess, more: Partial<GivenNatsOptions> = {}) =>
  part(access, { connectMs: 300, ...more })
    .ensure()
    .then(
      () => expect.unreachable('it was taken'),
      (error: Error & { code: string; hint: string }) => `${error.code} ${error.message} ${error.hint}`,
    )
const file = async (name: string, content: string) => {
  await writeFile(join(folder, name), content)
  return join(folder, name)
}
const FULL_RIGHTS = (folder: string) => `jetstream { store_dir: ${JSON.stringify(join(folder, 'data'))} }`

test('a server with JetStream is taken, described, and left without anything of ours', async () => {
  const nats = await served(startNats())
  const access = await accessTo(withUser(nats))
  const running = await part(access).ensure()
  expect(running.address).toBe(nats.url.slice('nats://'.length))
  expect(running.note).toMatch(/^not started by ryo-faas: nats-server 2\.\d+\.\d+, one copy of each stream$/)
  expect(await aboutGiven(access)).toMatch(/ \(--nats-url\): nats-server 2/)
  await removeGivenStreams(access)
  const bus = await nats.connect()
  await expect(streamState(bus, 'rfa-shop_calls')).rejects.toThrow('stream not found')
})

test('a user and password, a token and a credentials file are each accepted, and wrong ones refused', async () => {
  const nats = await served(startNats())
  expect(await refusal(await accessTo(nats.url.replace('://', '://tester:wrong@')))).toMatch(
    /BAD_NATS .*refuses the user/,
  )
  expect(await refusal(await accessTo(nats.url))).toMatch(/BAD_NATS .*refuses the user.*--nats-creds/)
  const withToken = await served(
    startNatsWith(folder => [FULL_RIGHTS(folder), 'authorization { token: "a-token-of-mine" }']),
  )
  await part(await accessTo(withToken.url.replace('://', '://a-token-of-mine@'))).ensure()
  expect(await refusal(await accessTo(withToken.url.replace('://', '://another@')))).toMatch(/refuses/)
  const { nats: operated, creds, strangersCreds } = await startOperatorNats()
  await served(Promise.resolve(operated))
  await part(await accessTo(operated.url, { natsCreds: await file('user.creds', creds) })).ensure()
  const strangers = await accessTo(operated.url, { natsCreds: await file('stranger.creds', strangersCreds) })
  expect(await refusal(strangers)).toMatch(/refuses/)
})

test('TLS is asked for by the URL or an authority; who is not trusted is told, on either side', async () => {
  const authority = await TestAuthority.create()
  await authority.write(folder, 'server', ['127.0.0.1', 'localhost'])
  await authority.write(folder, 'client', ['us'])
  const ca = await file('ca.crt', authority.pem)
  const pem = (name: string) => join(folder, name)
  const nats = await served(startNats('', { ca, cert: pem('server.crt'), key: pem('server.key') }))
  const url = withUser(nats).replace('nats:', 'tls:')
  const certificate = { natsCert: pem('client.crt'), natsKey: pem('client.key') }
  await part(await accessTo(url, { natsCa: ca, ...certificate })).ensure()
  expect(await refusal(await accessTo(url, certificate))).toMatch(/BAD_NATS .*TLS failed.*--nats-ca/)
  expect(await refusal(await accessTo(url, { natsCa: ca }))).toMatch(/BAD_NATS/)
  const plain = await served(startNats())
  expect(await refusal(await accessTo(withUser(plain).replace('nats:', 'tls:')))).toMatch(/it has no TLS/)
  expect(await refusal(await accessTo(withUser(plain), { natsCa: ca }))).toMatch(/it has no TLS/)
})

test('a server that is away, has no JetStream, or has it for others only is told apart', async () => {
  const nobody = `nats://127.0.0.1:${await freePort()}`
  expect(await refusal(await accessTo(nobody))).toMatch(/BAD_NATS .*is not responding: .*Start it/)
  const plain = await served(startNatsWith(() => []))
  expect(await refusal(await accessTo(plain.url))).toMatch(/JetStream is not enabled/)
  const others = await served(
    startNatsWith(folder => [
      FULL_RIGHTS(folder),
      'accounts { ONE { users: [{ user: a, password: b }] }, TWO { jetstream: enabled } }',
    ]),
  )
  expect(await refusal(await accessTo(others.url.replace('://', '://a:b@')))).toMatch(/not enabled for this account/)
  const narrow = await served(startNatsWith(folder => [FULL_RIGHTS(folder), 'max_payload: 64KB']))
  expect(await refusal(await accessTo(narrow.url))).toMatch(/max_payload is 65536 bytes/)
})

test('limits of the account and copies that are not possible are named', async () => {
  const nats = await served(
    startNatsWith(folder => [
      FULL_RIGHTS(folder),
      `accounts {
        SMALL { jetstream: { max_file: 1MB }, users: [{ user: small, password: p }] }
        FEW { jetstream: { max_streams: 5 }, users: [{ user: few, password: p }] }
        TIGHT { jetstream: { max_file: 200MB }, users: [{ user: tight, password: p }] }
        DENIED { jetstream: enabled, users: [{ user: denied, password: p, permissions: { publish: "rfa-shop.>" } }] }
      }`,
    ]),
  )
  const as = (user: string) => accessTo(nats.url.replace('://', `://${user}:p@`))
  expect(await refusal(await as('small'))).toMatch(/BAD_NATS .*limits of the account, or the disk, are too small/)
  expect(await refusal(await as('few'))).toMatch(/may have 5 streams.*needs 10/)
  expect(await refusal(await as('denied'))).toMatch(/may not use JetStream/)
  const single = await served(startNats())
  const more = { replicas: 3 }
  expect(await refusal(await accessTo(withUser(single)), more)).toMatch(/cannot keep 3 copies.*--nats-replicas/)
  const tight = await as('tight')
  await part(tight).ensure()
  const bus = await connectBus({ ...tight, name: 'test' })
  onTestFinished(() => bus.close())
  const { maxBytes } = await streamState(bus, STREAMS.calls)
  expect(maxBytes).toBeGreaterThan(1e6)
  expect(maxBytes).toBeLessThan(200e6)
})

test('rights on the subjects of the platform and on JetStream are enough', async () => {
  const nats = await served(
    startNatsWith(folder => [
      FULL_RIGHTS(folder),
      `authorization { user: u, password: p, permissions {
        publish: ["rfa-shop.>", "$KV.rfa-shop_triggers.>", "$KV.rfa-shop_idempotency.>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>"]
        subscribe: ["rfa-shop.>", "_INBOX.>"]
      } }`,
    ]),
  )
  const access = await accessTo(nats.url.replace('://', '://u:p@'))
  await part(access).ensure()
  const bus = await connectBus({ ...access, name: 'test' })
  onTestFinished(() => bus.close())
  expect((await bus.publish('rfa.call.fn.01ARZ3NDEKTSV4RRFFQ69G5FAV', Buffer.from('x'))).stream).toBe('rfa-shop_calls')
})

test('it is watched: away it counts as failing, and when it comes back without its data the streams are made again', async () => {
  const nats = await served(startNats())
  const access = await accessTo(withUser(nats))
  const supervisor = new Supervisor()
  onTestFinished(() => supervisor.close())
  await supervisor.start(part(access, { connectMs: 200, lostMs: 100 }))
  const state = () => supervisor.views()[0]
  expect(state()).toMatchObject({ name: 'nats', state: 'running', restarts: 0 })
  await nats.kill()
  await untilTrue(() => state()?.state === 'failing', 'it is missed')
  expect(state()?.note).toContain('is not responding')
  await nats.start()
  await untilTrue(() => state()?.state === 'running', 'it is back')
  const bus = await connectBus({ ...access, name: 'test' })
  onTestFinished(() => bus.close())
  await removeGivenStreams(access)
  await nats.kill()
  await untilTrue(() => state()?.state !== 'running', 'it is missed again')
  await nats.start()
  await untilTrue(
    async () => (await streamState(bus, STREAMS.calls).catch(() => undefined)) !== undefined,
    'they are back',
  )
})

test('options that contradict each other, and files that are none, are refused by name', async () => {
  const invalid = async (url: string, more: object) =>
    accessTo(url, more).then(
      () => expect.unreachable('it was taken'),
      (error: Error & { code: string; hint: string }) => `${error.code} ${error.message} ${error.hint}`,
    )
  const creds = await file('user.creds', '-----BEGIN NATS USER JWT-----')
  expect(await invalid('nats://u:p@h', { natsCreds: creds })).toMatch(
    /INVALID_OPTION --nats-creds.*user or a token too/,
  )
  expect(await invalid('nats://h', { natsCert: creds })).toMatch(/--nats-key: a certificate is shown with its key/)
  expect(await invalid('nats://h', { natsCreds: join(folder, 'none') })).toMatch(/cannot be read.*RYO_FAAS_NATS_CREDS/)
  expect(await invalid('nats://h', { natsCa: await file('empty', 'x') })).toMatch(/has no block in PEM format/)
  for (const natsUrl of ['http://h', 'nats://', 'nats://a,b', '']) {
    expect(PlatformOptions.safeParse({ natsUrl }).success).toBe(false)
  }
})

test('what another agent has set up is not waited for, and looked at as soon as it answers', async () => {
  let at = ''
  const nats = await served(startNatsWith(own => ((at = own), [])))
  const troubles: string[] = []
  const taken = part(await accessTo(nats.url), { onSetUpLater: ({ message }) => void troubles.push(message) })
  expect((await taken.ensure()).note).toBe('not started by ryo-faas')
  await untilTrue(() => troubles.length > 0, 'there is no JetStream')
  await nats.kill()
  const config = join(at, 'nats.conf')
  await writeFile(config, `${await readFile(config, 'utf8')}\n${FULL_RIGHTS(at)}\n`)
  await nats.start()
  const bus = await connectBus({ ...(await accessTo(nats.url)), name: 'test' }, AbortSignal.timeout(10_000))
  onTestFinished(() => bus.close())
  await untilTrue(() => streamState(bus, STREAMS.calls).then(Boolean, () => false), 'the streams are there')
  expect(troubles.length).toBe(1)
})
