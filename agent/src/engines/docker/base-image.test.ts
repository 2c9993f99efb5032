import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { extract, pack } from 'tar-stream'
import { expect, it } from 'vitest'
import { baseImageLibraries, writeRootFilesystem } from './base-image.ts'
import { hostFiles } from './host-files.ts'

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

it('an image of files of the machine has each folder once, wherever they lie', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-base-'))
  try {
    const files = ['one.py', 'two.py'].map(name => join(folder, name))
    for (const file of files) await writeFile(file, '')
    const placed = [...(await hostFiles([folder])), { path: files[0]!, name: '/tmp/of-a-home/one.py' }]
    // A container has a /tmp of its own over that of its image.
    expect(placed[0]!.name).toBe(folder.startsWith('/tmp/') ? `/host${files[0]}` : files[0])
    const archive = pack()
    const writing = writeRootFilesystem(archive, placed)
    const modes = new Map<string, number | undefined>()
    const names: string[] = []
    for await (const entry of archive.pipe(extract())) {
      names.push(entry.header.name)
      modes.set(entry.header.name, entry.header.mode)
      entry.resume()
    }
    await writing
    expect(names).toHaveLength(new Set(names).size)
    expect(names).toContain('tmp/of-a-home/one.py')
    expect(modes.get('tmp/')).toBe(0o1777)
  } finally {
    await rm(folder, { recursive: true })
  }
})
