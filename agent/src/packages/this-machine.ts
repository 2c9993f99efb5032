/** This machine, as machine code sees it. */
import type { MachineCode } from '../contract/index.ts'

let libc: 'glibc' | 'musl' | undefined

/** @param modules NODE_MODULE_VERSION of the Node that functions run on */
export function thisMachine(modules: string = process.versions.modules): MachineCode | undefined {
  const { platform, arch } = process
  if (platform !== 'linux' && platform !== 'darwin' && platform !== 'win32') return undefined
  return { platform, arch, ...(platform === 'linux' && { libc: (libc ??= libcOf()) }), modules }
}

function libcOf(): 'glibc' | 'musl' {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}
