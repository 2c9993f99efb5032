/** A file with the layout of a shared library for this processor and no code, for tests. */
import { writeFileSync } from 'node:fs'

const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 }

/** @param needs names of libraries it is linked with; @param mark text that it holds, e.g. the name of a symbol */
export function writeFakeAddon(path: string, needs: string[], mark = ''): void {
  const strings = Buffer.from(`\0${needs.map(name => `${name}\0`).join('')}${mark}\0`, 'latin1')
  const entries: [tag: number, value: number][] = []
  for (let at = 1, index = 0; index < needs.length; at += needs[index++]!.length + 1) entries.push([1, at])
  const stringsAt = 64 + 2 * 56
  const dynamicAt = stringsAt + strings.length
  entries.push([5, stringsAt], [0, 0])
  const file = Buffer.alloc(dynamicAt + entries.length * 16)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]).copy(file)
  file.writeUInt16LE(3, 16)
  file.writeUInt16LE(MACHINES[process.arch]!, 18)
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(2, 56)
  const segment = (at: number, type: number, [offset, size]: [number, number]) => {
    file.writeUInt32LE(type, at)
    file.writeBigUInt64LE(BigInt(offset), at + 8)
    file.writeBigUInt64LE(BigInt(offset), at + 16)
    file.writeBigUInt64LE(BigInt(size), at + 32)
  }
  segment(64, 1, [0, file.length])
  segment(120, 2, [dynamicAt, entries.length * 16])
  strings.copy(file, stringsAt)
  entries.forEach(([tag, value], index) => {
    file.writeBigUInt64LE(BigInt(tag), dynamicAt + index * 16)
    file.writeBigUInt64LE(BigInt(value), dynamicAt + index * 16 + 8)
  })
  writeFileSync(path, file)
}
