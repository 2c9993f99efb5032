import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addedCertificates, certificatesIn } from './certificates.ts'

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'rfa-certificates-'))))
afterAll(() => rmSync(folder, { recursive: true }))

const [one, two] = rootCertificates.slice(0, 2).map(pem => new X509Certificate(pem).toString()) as [string, string]

test('only certificates are taken from a file, as PEM', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  expect(certificatesIn(Buffer.from(`# ours\n${one}${key}${two}`))).toBe(one + two)
  expect(certificatesIn(new X509Certificate(one).raw)).toBe(one)
  for (const other of ['', 'root:x:0:0', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']) {
    expect(certificatesIn(Buffer.from(other))).toBe('')
  }
})

test('what was added to the store of the machine is found once, also in subfolders', async () => {
  mkdirSync(join(folder, 'a/company'), { recursive: true })
  writeFileSync(join(folder, 'a/company/root.crt'), one)
  writeFileSync(join(folder, 'a/again.pem'), one)
  writeFileSync(join(folder, 'a/README'), two)
  expect(await addedCertificates([join(folder, 'a'), join(folder, 'none')])).toBe(one)
})
