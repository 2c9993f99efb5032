import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CertificateFolders } from './certificates.ts'
import { TestAuthority } from './front-testing.ts'

let authority: TestAuthority
let folder: string
let problems: string[]
let certificates: CertificateFolders

beforeAll(async () => {
  authority = await TestAuthority.create()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-certificates-'))
  problems = []
  certificates = new CertificateFolders({ folders: [folder], onProblem: message => problems.push(message) })
})
afterEach(() => rm(folder, { recursive: true }))

const served = () => certificates.served.map(({ names }) => names)

test('pairs and folders of ACME clients are served, each for its names; others get the first', async () => {
  await authority.write(folder, 'a', ['a.test'])
  await authority.write(folder, 'b', ['b.test', '*.b.test'])
  const { cert, key } = await authority.sign(['c.test'])
  await mkdir(join(folder, 'c.test'))
  await writeFile(join(folder, 'c.test', 'fullchain.pem'), `${cert}\n${authority.pem}`)
  await writeFile(join(folder, 'c.test', 'privkey.pem'), key)
  await certificates.load()
  expect(served()).toEqual([['a.test'], ['b.test', '*.b.test'], ['c.test']])
  const first = certificates.contextFor('a.test')
  expect(first).toBeDefined()
  for (const name of [undefined, 'other.test', 'x.y.b.test']) expect(certificates.contextFor(name)).toBe(first)
  const second = certificates.contextFor('b.test')
  expect(second).not.toBe(first)
  expect(certificates.contextFor('X.B.test')).toBe(second)
  expect(certificates.contextFor('c.test')).not.toBe(first)
  expect(problems).toEqual([])
})

test('a file with its key is served, also of another folder; one without is no certificate of ours', async () => {
  await authority.write(folder, 'a', ['a.test'])
  const { cert, key } = await authority.sign(['b.test'])
  const other = join(folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'b.test.pem'), `${key}\n${cert}`)
  await writeFile(join(other, 'chain.pem'), authority.pem)
  const both = new CertificateFolders({ folders: [folder, other], onProblem: message => problems.push(message) })
  await both.load()
  expect(both.served.map(({ names }) => names)).toEqual([['a.test'], ['b.test']])
  expect(both.certificateFor('b.test')?.file).toBe(join(other, 'b.test.pem'))
  expect(both.certificateFor('c.test')).toBeUndefined()
  expect(both.contextFor('b.test')).not.toBe(both.contextFor('c.test'))
  expect(problems).toEqual([])
})

test('of two for the same name, the one that ends last is served', async () => {
  const [old, young] = [await authority.sign(['a.test'], 3), await authority.sign(['a.test'], 90)]
  await writeFile(join(folder, 'a-old.crt'), old.cert)
  await writeFile(join(folder, 'a-old.key'), old.key)
  await certificates.load()
  const before = certificates.contextFor('a.test')
  await writeFile(join(folder, 'b-young.pem'), young.cert)
  await writeFile(join(folder, 'b-young.key'), young.key)
  await certificates.load()
  expect(certificates.contextFor('a.test')).not.toBe(before)
})

test('a replaced pair is served, a broken one leaves the earlier in place and is reported once', async () => {
  await authority.write(folder, 'a', ['a.test'])
  await certificates.load()
  const before = certificates.contextFor('a.test')
  await certificates.load()
  expect(certificates.contextFor('a.test')).toBe(before)

  const other = await authority.sign(['a.test'])
  await writeFile(join(folder, 'a.crt'), other.cert)
  await certificates.load()
  await certificates.load()
  expect(problems).toEqual([expect.stringMatching(/a\.crt: the key in .*a\.key belongs to another certificate/)])
  expect(certificates.contextFor('a.test')).toBe(before)

  await writeFile(join(folder, 'a.key'), other.key)
  await certificates.load()
  expect(certificates.contextFor('a.test')).not.toBe(before)
  expect(served()).toEqual([['a.test']])
})

test('links that are swapped are followed, what is removed is no longer served', async () => {
  const elsewhere = join(folder, '.archive')
  await authority.write(join(elsewhere, '1'), 'a', ['one.test'])
  await authority.write(join(elsewhere, '2'), 'a', ['two.test'])
  const link = async (to: string) => {
    for (const file of ['a.crt', 'a.key']) {
      await unlink(join(folder, file)).catch(() => undefined)
      await symlink(join(elsewhere, to, file), join(folder, file))
    }
  }
  await link('1')
  await certificates.load()
  await link('2')
  await certificates.load()
  expect(served()).toEqual([['two.test']])
  await unlink(join(folder, 'a.crt'))
  await certificates.load()
  expect(served()).toEqual([])
  expect(certificates.contextFor('two.test')).toBeUndefined()
  expect(problems).toEqual([])
})

test.each(['nothing', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
  'what is no certificate is reported and not served: %j',
  async text => {
    await writeFile(join(folder, 'a.crt'), text)
    await writeFile(join(folder, 'a.key'), text)
    await certificates.load()
    expect(problems).toEqual([expect.stringContaining('a.crt: ')])
    expect(served()).toEqual([])
  },
)
