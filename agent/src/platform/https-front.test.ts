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
  await writeFile(join(home, 'certificates', 'a.crt'), 'broken')
  await writeFile(join(home, 'certificates', 'a.key'), 'broken')
  await expect(requireCertificates(home, options)).rejects.toThrow(/--https 443: .*a\.crt: /)
})
