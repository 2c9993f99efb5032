import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, expect, test } from 'vitest'
import { trustedCertificates } from './certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'rfa-ca-'))
afterAll(() => rmSync(folder, { recursive: true }))
const [one, two] = rootCertificates.slice(0, 2).map(pem => new X509Certificate(pem).toString()) as [string, string]

test('functions trust what --ca and NODE_EXTRA_CA_CERTS name; a file without certificates is refused', async () => {
  const [ca, extra] = [join(folder, 'ca.pem'), join(folder, 'extra.pem')]
  writeFileSync(ca, one)
  writeFileSync(extra, two)
  const trusted = await trustedCertificates(ca, { NODE_EXTRA_CA_CERTS: extra })
  expect(trusted).toContain(one)
  expect(trusted).toContain(two)
  expect(await trustedCertificates('none', { NODE_EXTRA_CA_CERTS: join(folder, 'absent') })).not.toContain(one)
  writeFileSync(ca, 'nothing')
  for (const file of [ca, join(folder, 'absent')]) {
    await expect(trustedCertificates(file, {})).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  }
})
