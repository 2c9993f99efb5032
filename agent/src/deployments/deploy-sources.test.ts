import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { codeHashOf, type DeployEntry, type MachineCode, type PackageManifest } from '../contract/index.ts'
import { Languages, type Language } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { PackageStore, thisMachine } from '../packages/index.ts'
import { builtOf, manifestOf } from '../packages/packages-testing.ts'
import { SecretStore } from '../secrets/index.ts'
import { mustRun, uploadedSource, type SourceDependencies } from './deploy-sources.ts'

let folder: string
let dependencies: SourceDependencies
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-sources-'))
  const node: Language = { ...SHELL, name: 'node', endings: ['.mjs'], protocol: 2 }
  dependencies = {
    languages: new Languages([node]),
    secrets: new SecretStore(folder),
    engine: {
      surroundings: async () => ({ modules: '137' }),
      runsInPlace: true,
    } as unknown as SourceDependencies['engine'],
    packages: new PackageStore(join(folder, 'packages')),
  }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** One function, with what its manifest and its entry say differently. */
async function accepted(manifest: Partial<PackageManifest> = {}, entry: Partial<DeployEntry> = {}) {
  const [built] = builtOf({ 'main.mjs': 'code' }).functions
  const made = manifestOf({ 'main.mjs': 'code' }, { name: 'f0', ...manifest })
  const { digests } = await dependencies.packages.announce([made], new Set())
  const functions = [{ package: digests[0]!, entry: { ...built!.entry, ...entry } }]
  const source = uploadedSource({ file: '/shop/app.ryo', project: 'shop', functions }, dependencies)
  const [item] = await source.accepted(await source.functions())
  return { ...item!, made }
}

test('an uploaded package is deployed as what it says it is, by a hash of what is in it', async () => {
  const { made, outcome, protocol, package: digest, language } = await accepted({ protocol: 1 })
  expect([protocol, language.name, digest?.length]).toEqual([1, 'node', 64])
  const bundle = await outcome.bundle(new AbortController().signal)
  expect(bundle.hash).toBe(codeHashOf(made))
})

test.each<[string, Partial<PackageManifest>, Partial<DeployEntry>, object]>([
  [
    'another name',
    { name: 'other' },
    {},
    { code: 'PACKAGE_INVALID', message: expect.stringContaining('another name') },
  ],
  ['another kind', { kind: 'service' }, {}, { code: 'PACKAGE_INVALID', message: expect.stringContaining('kind') }],
  ['another Node', {}, { node: '22' }, { code: 'PACKAGE_INVALID', message: expect.stringContaining('base') }],
  [
    'a later protocol',
    { protocol: 3, builtBy: '9.9' },
    {},
    { code: 'UNSUPPORTED', message: expect.stringContaining('9.9') },
  ],
  ['a language that is not here', { language: 'cobol' }, {}, { code: 'UNSUPPORTED' }],
  [
    'a secret that is not set',
    {},
    { secrets: ['TOKEN'] },
    { code: 'CHECK_FAILED', problems: [{ code: 'missing-secret', subject: 'TOKEN', file: '/shop/app.ryo' }] },
  ],
])('%s is refused', async (_, manifest, entry, error) => {
  await expect(accepted(manifest, entry)).rejects.toMatchObject(error)
})

test('a package that nobody uploaded is asked for', async () => {
  const [built] = builtOf({ 'main.mjs': 'code' }).functions
  const functions = [{ package: '0'.repeat(64), entry: built!.entry }]
  const source = uploadedSource({ file: 'app.ryo', project: 'shop', functions }, dependencies)
  await expect(source.functions()).rejects.toMatchObject({ code: 'PACKAGE_INCOMPLETE' })
})

test('machine code is compared with where functions run: their system, processor, C library and Node', async () => {
  const here: MachineCode = { ...thisMachine()!, modules: '137' }
  const withCode = (machine: MachineCode) => {
    const manifest = manifestOf({ 'main.mjs': 'code', 'node_modules/native/a.node': 'addon' })
    const files = manifest.files.map(file => (file.path.endsWith('.node') ? { ...file, machine } : file))
    return { ...manifest, files, builtOn: machine }
  }
  const runs = (machine: MachineCode, surroundings: object = { modules: '137' }) => {
    const engine = { surroundings: async () => surroundings } as unknown as SourceDependencies['engine']
    return mustRun(withCode(machine), { ...dependencies, engine }).then(
      () => true,
      (error: { code: string }) => error.code,
    )
  }
  expect(await runs(here)).toBe(true)
  expect(await runs({ ...here, arch: 'mips' })).toBe('PACKAGE_UNSUITABLE')
  expect(await runs({ ...here, modules: '115' })).toBe('PACKAGE_UNSUITABLE')
  expect(await runs({ ...here, modules: '115' }, {})).toBe(true)
  const other = here.platform === 'linux' ? 'darwin' : 'linux'
  const { libc: _, ...plain } = here
  expect(await runs({ ...plain, platform: other })).toBe('PACKAGE_UNSUITABLE')
  expect(await runs({ ...plain, platform: other }, { system: other, modules: '137' })).toBe(true)
})

test.runIf(process.platform === 'linux')('the C library is that of the image, if its libraries are known', async () => {
  const manifest = manifestOf({ 'main.mjs': 'code' })
  const machine: MachineCode = { platform: 'linux', arch: process.arch, libc: 'musl' }
  const files = manifest.files.map(file => ({ ...file, machine }))
  const runs = (libraries: string[]) => {
    const surroundings = async () => ({ system: 'linux', libraries: new Set(libraries) })
    const engine = { surroundings } as unknown as SourceDependencies['engine']
    return mustRun({ ...manifest, files, builtOn: machine }, { ...dependencies, engine })
  }
  await runs(['libc.musl-x86_64.so.1'])
  await expect(runs(['libc.so.6'])).rejects.toMatchObject({ code: 'PACKAGE_UNSUITABLE' })
})
