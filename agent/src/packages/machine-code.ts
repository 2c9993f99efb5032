/**
 * What a file of machine code runs on, read from its first bytes and its text and never loaded; and whether a package
 * runs on another machine than the one that it was built on. No language is asked: a Go program and an addon of Node
 * are files like any other.
 */
import { MachineCode, type PackageManifest } from '../contract/index.ts'

/** Where a package is to run, as far as it is known. */
export interface Target {
  platform: string
  arch: string
  libc?: 'glibc' | 'musl' | undefined
  /** NODE_MODULE_VERSION. */
  modules?: string | undefined
}

type Machine = Pick<MachineCode, 'platform' | 'arch'>

/** https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html#machine, and its successors */
const ELF: Partial<Record<number, string>> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  21: 'ppc64',
  22: 's390x',
  243: 'riscv64',
}
/** `cputype` in mach/machine.h */
const MACH_O: Partial<Record<number, string>> = { 0x01000007: 'x64', 0x0100000c: 'arm64' }
/** https://learn.microsoft.com/windows/win32/debug/pe-format#machine-types */
const PE: Partial<Record<number, string>> = { 0x8664: 'x64', 0xaa64: 'arm64', 0x14c: 'ia32' }

/** Packages that their users load on one system only, and are content without on any other. */
const ONE_SYSTEM_ONLY = new Set(['fsevents'])

/** @returns undefined for anything else, and for systems that no function runs on */
export function machineCodeOf(content: Buffer): MachineCode | undefined {
  const machine = machineOf(content)
  if (machine === undefined) return undefined
  const libc =
    machine.platform !== 'linux'
      ? undefined
      : content.includes('ld-musl-') || content.includes('libc.musl-')
        ? 'musl'
        : content.includes('libc.so.6')
          ? 'glibc'
          : undefined
  const [, modules] = /node_register_module_v(\d+)/.exec(latinOf(content, 'node_register_module_v')) ?? []
  const isForAnyNode = content.includes('napi_register_module_v') || content.includes('napi_module_register')
  const isBound = modules !== undefined && !isForAnyNode
  return { ...machine, ...(libc !== undefined && { libc }), ...(isBound && { modules }) }
}

/**
 * Why a package will not run somewhere else; undefined if it will. Only what ran where it was built, and has nothing for
 * the target in its place, counts: packages also bring programs for systems that nobody asked for.
 */
export function unsuitable({ name, entry, builtOn, files }: PackageManifest, target: Target): string | undefined {
  if (builtOn === undefined) return undefined
  const byPackage = new Map<string, MachineCode[]>()
  for (const { path, machine } of files) {
    if (machine === undefined) continue
    const owner = path === entry ? path : ownerOf(path)
    byPackage.set(owner, [...(byPackage.get(owner) ?? []), machine])
  }
  const home = { ...builtOn }
  for (const [owner, codes] of byPackage) {
    if (ONE_SYSTEM_ONLY.has(owner) || codes.some(code => runsOn(code, target))) continue
    if (owner !== entry && !codes.some(code => runsOn(code, home))) continue
    const what = owner === entry ? `${name} is a program` : `${owner} in ${name} is machine code`
    return `${what} for ${codes.map(label).join(' and ')}, and functions run on ${label(target)} there`
  }
  return undefined
}

function runsOn({ platform, arch, libc, modules }: MachineCode, target: Target): boolean {
  const fits = <T>(needed: T | undefined, has: T | undefined) => [needed, has].includes(undefined) || needed === has
  return (
    platform === target.platform && arch === target.arch && fits(libc, target.libc) && fits(modules, target.modules)
  )
}

function label({ platform, arch, libc, modules }: Target): string {
  const parts = [platform, arch, ...(libc === 'musl' ? [libc] : [])].join('-')
  return modules === undefined ? parts : `${parts} (NODE_MODULE_VERSION ${modules})`
}

/** `node_modules/@a/b/c.node` → `@a/b`; a file of the function itself is named by its path. */
function ownerOf(path: string): string {
  return /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? path
}

function machineOf(content: Buffer): Machine | undefined {
  if (content.length < 64) return undefined
  const magic = content.readUInt32BE(0)
  // FreeBSD marks its files; Linux leaves the mark out, or sets its own.
  if (magic === 0x7f454c46 && (content[7] === 0 || content[7] === 3)) {
    const isLittle = content[5] === 1
    return machine('linux', ELF[isLittle ? content.readUInt16LE(18) : content.readUInt16BE(18)])
  }
  if (magic === 0xcffaedfe) return machine('darwin', MACH_O[content.readUInt32LE(4)])
  if (content.readUInt16BE(0) !== 0x4d5a) return undefined
  const at = content.readUInt32LE(60)
  if (at + 6 > content.length || content.readUInt32BE(at) !== 0x50450000) return undefined
  return machine('win32', PE[content.readUInt16LE(at + 4)])
}

function machine(platform: Machine['platform'], arch: string | undefined): Machine | undefined {
  return arch === undefined ? undefined : { platform, arch }
}

/** The text around a mark, so that no file is read twice as a string. */
function latinOf(content: Buffer, mark: string): string {
  const at = content.indexOf(mark)
  return at === -1 ? '' : content.toString('latin1', at, at + 80)
}
