import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { baseImageLibraries } from './base-image.ts'

it.runIf(process.platform === 'linux')(
  'the base image contains the libraries that native addons are linked with, of the same C library as Node',
  async () => {
    const listed = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
    const clib = /=> (\/\S+\/libc\.so\.6)/.exec(listed)![1]!
    const libraries = await baseImageLibraries(process.execPath)
    const alsoNeeded = ['librt.so.1', 'libresolv.so.2', 'libutil.so.1', 'libanl.so.1', 'libnss_dns.so.2']
    for (const name of [basename(clib), ...alsoNeeded.filter(name => existsSync(join(dirname(clib), name)))]) {
      expect(libraries).toContain(name)
    }
  },
)
