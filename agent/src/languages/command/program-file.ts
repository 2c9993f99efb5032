/** What kind of program a file is, by its first bytes: nothing of it runs. */
import { open } from 'node:fs/promises'

export type ProgramFile =
  /** Runs as it is. `loader`: of the shared libraries that it needs; absent: none. */
  | { kind: 'binary'; loader?: string }
  /** Interpreted by these words: `/usr/bin/env python3`. */
  | { kind: 'script'; words: string[] }
  | { kind: 'other' }

const ELF = Buffer.from('\x7fELF', 'latin1')
const PT_INTERP = 3
/** Headers of programs end long before. */
const HEAD_BYTES = 8192

export async function programFile(path: string): Promise<ProgramFile> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    const head = buffer.subarray(0, bytesRead)
    if (head.subarray(0, 4).equals(ELF)) return elfFile(head)
    if (isMachO(head)) return { kind: 'binary' }
    const [, line] = /^#!([^\n]*)/.exec(head.toString('latin1')) ?? []
    return line === undefined ? { kind: 'other' } : { kind: 'script', words: line.trim().split(/\s+/) }
  } finally {
    await file.close()
  }
}

/** ELF of 64 bits, as System V's ABI describes it; of others only that they are programs. */
function elfFile(head: Buffer): ProgramFile {
  const is64 = head[4] === 2 && head[5] === 1
  if (!is64 || head.length < 64) return { kind: 'binary' }
  const table = Number(head.readBigUInt64LE(32))
  const [size, count] = [head.readUInt16LE(54), head.readUInt16LE(56)]
  for (let index = 0; index < count; index++) {
    const at = table + index * size
    if (at + 56 > head.length) break
    if (head.readUInt32LE(at) !== PT_INTERP) continue
    const offset = Number(head.readBigUInt64LE(at + 8))
    const length = Number(head.readBigUInt64LE(at + 32))
    const loader = head
      .subarray(offset, offset + length)
      .toString('latin1')
      .replace(/\0.*$/s, '')
    if (loader.startsWith('/')) return { kind: 'binary', loader }
  }
  return { kind: 'binary' }
}

function isMachO(head: Buffer): boolean {
  return head.length >= 4 && [0xfeedfacf, 0xcffaedfe, 0xcafebabe].includes(head.readUInt32BE(0))
}
