/**
 * What a native binary needs from its environment, read and never loaded: `ldd` runs the loader over the file,
 * `readelf` is not on every machine, and no package that reads ELF is maintained. So the few fields that say what a
 * file is linked with are read by hand: the header, segments and dynamic section of 64-bit little-endian files.
 */
import { readFile } from 'node:fs/promises'

export interface AddonFacts {
  /** For another system or processor, as packages with builds for all of them contain: irrelevant here. */
  foreign: boolean
  /** File names of the shared libraries that it is linked with. */
  libraries: string[]
  /** NODE_MODULE_VERSION that it was built for; absent: it does not say, or uses Node-API, which fits every Node. */
  modules?: string
  nodeApi: boolean
}

const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 }
const SEGMENT = { load: 1, dynamic: 2 }
const DYNAMIC = { end: 0, needed: 1, strings: 5 }

export async function addonFacts(path: string): Promise<AddonFacts> {
  const file = await readFile(path)
  const text = file.toString('latin1')
  const modules = /node_register_module_v(\d+)/.exec(text)?.[1]
  const elf = readElf(file)
  return {
    foreign: process.platform === 'linux' && elf === undefined,
    libraries: elf ?? [],
    nodeApi: /napi_register_module_v\d|napi_module_register/.test(text),
    ...(modules !== undefined && { modules }),
  }
}

/** What the file is linked with; nothing unless it is for this processor and the system's C library. */
function readElf(file: Buffer): string[] | undefined {
  const isElf = file.length >= 64 && file.readUInt32BE(0) === 0x7f454c46 && file[4] === 2 && file[5] === 1
  // FreeBSD marks its files; Linux leaves the mark out, or sets its own.
  const isForLinux = file[7] === 0 || file[7] === 3
  if (!isElf || !isForLinux || file.readUInt16LE(18) !== MACHINES[process.arch]) return undefined
  try {
    const libraries = neededLibraries(file)
    return libraries.some(name => name.includes('musl')) ? undefined : libraries
  } catch (error) {
    if (error instanceof RangeError) return undefined // Truncated, or with offsets outside the file.
    throw error
  }
}

function neededLibraries(file: Buffer): string[] {
  const number = (at: number) => Number(file.readBigUInt64LE(at))
  const [segmentsAt, size, count] = [number(32), file.readUInt16LE(54), file.readUInt16LE(56)]
  const segments = Array.from({ length: count }, (_, index) => {
    const at = segmentsAt + index * size
    return { type: file.readUInt32LE(at), offset: number(at + 8), address: number(at + 16), size: number(at + 32) }
  })
  const dynamic = segments.find(({ type }) => type === SEGMENT.dynamic)
  if (!dynamic) return []
  const needed: number[] = []
  let strings = 0
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = number(at)
    if (tag === DYNAMIC.end) break
    if (tag === DYNAMIC.needed) needed.push(number(at + 8))
    if (tag === DYNAMIC.strings) strings = number(at + 8)
  }
  const holder = segments.find(
    ({ type, address, size }) => type === SEGMENT.load && strings >= address && strings < address + size,
  )
  if (!holder) return []
  return needed.map(place => {
    const start = strings - holder.address + holder.offset + place
    return file.toString('latin1', start, file.indexOf(0, start))
  })
}
