import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { frontOf, parseAddress, requireCertificates } from './https-front.ts'
import { resolveOptions } from './options.ts'

test.each([
  ['443', { host: '0.0.0.0', port: 443 }],
  ['192.0.2.7:8443', { host: '192.0.2.7', port: 8443 }],
  ['[::]:443', { host: '::', port: 443 }],
  ['localhost:9443', { host: 'localhost', port: 9443 }],
])('%s is an address', (text, address) => expect(parseAddress(text)).toEqual(address))

test.each(['off', '', '0', '65536', 'a:b', '::1:443', 'https://a:443'])('%j is none', text => {
  expect(parseAddress(text)).toBeUndefined()
})

test.each([
  { acme: 'nobody' },
  { acmeDirectory: 'http://ca.test/dir' },
  { acmeEab: 'eab.json' },
  { acmeDomains: 'a.test,*.b.test' },
  { proxyProtocol: 'yes' },
  { dashboardHost: 'OPS.test' },
])('%j is refused, too', flags => {
  expect(() => resolveOptions(flags, {})).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

test.each([
  [{ acme: 'a@b.test' }, '--acme a@b.test is of no use without --https'],
  [{ acmeEab: '/eab.json' }, '--acme-eab /eab.json is of no use without --acme'],
  [{ proxyProtocol: 'on', trustProxy: '10.0.0.0/8' }, '--proxy-protocol on is of no use without --https'],
  [{ dashboardHost: 'ops.test' }, '--dashboard-host ops.test is of no use without --https'],
  [{ proxyProtocol: 'on', https: '443' }, '--proxy-protocol on is of no use without --trust-proxy'],
])('%j alone is refused', async (flags, message) => {
  await expect(requireCertificates('/h', resolveOptions(flags, {}))).rejects.toMatchObject({ message })
})

test.each([{ https: '0' }, { httpRedirect: '0' }, { httpRedirect: '65536' }, { certificates: 'relative' }])(
  '%j is refused',
  flags => expect(() => resolveOptions(flags, {})).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' })),
)

test('without --https there is no front; with it, certificates are those of the home unless named', () => {
  expect(frontOf('/h', resolveOptions({ httpRedirect: '80' }, {}))).toBeUndefined()
  expect(frontOf('/h', resolveOptions({ https: '443', httpRedirect: '80' }, {}))).toEqual({
    ...{ host: '0.0.0.0', port: 443, redirectPort: 80 },
    challenges: join('/h', 'webroot', '.well-known', 'acme-challenge'),
    certificates: join('/h', 'certificates'),
  })
  const named = resolveOptions({ https: '[::]:443', certificates: '/etc/letsencrypt/live' }, {})
  expect(frontOf('/h', named)).toEqual({ host: '::', port: 443, certificates: '/etc/letsencrypt/live' })
  const acme = { https: '443', acme: 'a@b.test', proxyProtocol: 'on' }
  const folder = (flags: object) => frontOf('/h', resolveOptions({ ...acme, ...flags }, {}))!.acme!
  expect(frontOf('/h', resolveOptions(acme, {}))).toMatchObject({ proxyProtocol: true })
  expect(folder({})).toEqual({
    answers: join('/h', 'acme', 'answers'),
    certificates: expect.stringMatching(/^\/h\/acme\/acme-v02\.api\.letsencrypt\.org-[0-9a-f]{8}\/certificates$/),
  })
  // What one authority knows is of no use with another.
  expect(folder({ acmeDirectory: 'https://ca.test/dir' }).certificates).not.toBe(folder({}).certificates)
})

test('a start without a certificate says where it belongs, one with a broken one why', async () => {
  const home = await mkdtemp(join(tmpdir(), 'rfa-https-'))
  onTestFinished(() => rm(home, { recursive: true }))
  await requireCertificates(home, resolveOptions({}, {}))
  const options = resolveOptions({ https: '443' }, {})
  await expect(requireCertificates(home, options)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: `--https 443: there is no certificate in ${join(home, 'certificates')}`,
  })
  expect(await readdir(home)).toEqual(['certificates'])
  // An ACME client may be about to ask for the first one.
  await requireCertificates(home, resolveOptions({ https: '443', httpRedirect: '80' }, {}))
  await requireCertificates(home, resolveOptions({ https: '443', acme: 'a@b.test' }, {}))
  await writeFile(join(home, 'certificates', 'a.crt'), 'broken')
  await writeFile(join(home, 'certificates', 'a.key'), 'broken')
  await expect(requireCertificates(home, options)).rejects.toThrow(/--https 443: .*a\.crt: /)
})
