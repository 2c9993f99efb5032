import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import type { MachineCode } from '../contract/index.ts'
import { machineCodeOf, unsuitable, type Target } from './machine-code.ts'
import { manifestOf } from './packages-testing.ts'
import { thisMachine } from './this-machine.ts'

const linux: MachineCode = { platform: 'linux', arch: 'x64', libc: 'glibc', modules: '137' }

test('what runs this test is machine code for this machine; text is none, however it begins', async () => {
  const { modules: _, ...machine } = thisMachine()!
  expect(machineCodeOf(await readFile(process.execPath))).toMatchObject(machine)
  const { resolve } = createRequire(import.meta.url)
  expect(machineCodeOf(await readFile(resolve('zod')))).toBeUndefined()
  for (const text of ['', 'MZ', `MZ${' '.repeat(100)}`, '\x7fELF', `\x7fELF${' '.repeat(100)}`]) {
    expect(machineCodeOf(Buffer.from(text, 'latin1'))).toBeUndefined()
  }
})

test('heads of every system are read', () => {
  const elf = (machine: number, text = '') => {
    const head = Buffer.alloc(64)
    head.write('\x7fELF\x02\x01\x01\x00', 'latin1')
    head.writeUInt16LE(machine, 18)
    return Buffer.concat([head, Buffer.from(text)])
  }
  expect(machineCodeOf(elf(183))).toEqual({ platform: 'linux', arch: 'arm64' })
  expect(machineCodeOf(elf(62, 'libc.so.6\0'))).toEqual({ platform: 'linux', arch: 'x64', libc: 'glibc' })
  expect(machineCodeOf(elf(62, 'libc.musl-x86_64.so.1'))).toMatchObject({ libc: 'musl' })
  expect(machineCodeOf(elf(62, '\0node_register_module_v137\0'))).toMatchObject({ modules: '137' })
  const both = machineCodeOf(elf(62, 'node_register_module_v137 napi_register_module_v1'))
  expect(both).toEqual({ platform: 'linux', arch: 'x64' })
  const mac = Buffer.alloc(64)
  mac.writeUInt32BE(0xcffaedfe)
  mac.writeUInt32LE(0x0100000c, 4)
  expect(machineCodeOf(mac)).toEqual({ platform: 'darwin', arch: 'arm64' })
  const windows = Buffer.alloc(200)
  windows.write('MZ')
  windows.writeUInt32LE(128, 60)
  windows.write('PE\0\0', 128, 'latin1')
  windows.writeUInt16LE(0x8664, 132)
  expect(machineCodeOf(windows)).toEqual({ platform: 'win32', arch: 'x64' })
  windows.writeUInt32LE(0xffffffff, 60)
  expect(machineCodeOf(windows)).toBeUndefined()
})

/** A package with these files of machine code, beside its entry. */
function withCode(files: Record<string, Partial<MachineCode>>, builtOn: Partial<MachineCode> = {}) {
  const manifest = manifestOf({
    'main.mjs': 'code',
    ...Object.fromEntries(Object.keys(files).map(path => [path, path])),
  })
  for (const file of manifest.files) {
    if (files[file.path] !== undefined) file.machine = { platform: 'linux', arch: 'x64', ...files[file.path] }
  }
  return { ...manifest, builtOn: { ...linux, ...builtOn } }
}

const NATIVE = 'node_modules/@img/sharp/sharp.node'

test.each<[string, string | RegExp | undefined, ReturnType<typeof withCode>, Partial<Target>]>([
  ['the same machine', undefined, withCode({ [NATIVE]: {} }), {}],
  [
    'another processor',
    '@img/sharp in hello is machine code for linux-x64, and functions run on linux-arm64 (NODE_MODULE_VERSION 137) there',
    withCode({ [NATIVE]: {} }),
    { arch: 'arm64' },
  ],
  ['another system', /darwin-arm64/, withCode({ [NATIVE]: { platform: 'darwin', arch: 'arm64' } }, { platform: 'darwin', arch: 'arm64' }), {}], // prettier-ignore
  ['another C library', /linux-x64-musl/, withCode({ [NATIVE]: { libc: 'glibc' } }), { libc: 'musl' }],
  ['another Node', /VERSION 115.*VERSION 137/, withCode({ [NATIVE]: { modules: '115' } }, { modules: '115' }), {}],
  ['any Node', undefined, withCode({ [NATIVE]: {} }), { modules: '150' }],
  [
    'builds for all systems in one package',
    undefined,
    withCode({ [NATIVE]: {}, 'node_modules/@img/sharp/arm.node': { arch: 'arm64' } }),
    { arch: 'arm64' },
  ],
  ['a program that did not run where it was built', undefined, withCode({ 'node_modules/notifier/a.exe': { platform: 'win32' } }), {}], // prettier-ignore
  [
    'what only macOS has a use for',
    undefined,
    withCode({ 'node_modules/fsevents/fsevents.node': { platform: 'darwin' } }, { platform: 'darwin' }),
    {},
  ],
  [
    'a function that is itself a program, built for another system on purpose',
    'hello is a program for linux-arm64, and functions run on linux-x64 (NODE_MODULE_VERSION 137) there',
    withCode({ 'main.mjs': { arch: 'arm64' } }),
    {},
  ],
])('on %s', (_, why, manifest, target) => {
  const found = unsuitable(manifest, { ...linux, ...target })
  if (why instanceof RegExp) expect(found).toMatch(why)
  else expect(found).toBe(why)
})
