import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { PackageImages } from './package-images.ts'

/** With so many folders that reading them all takes longer than removing the first ones. */
async function write(folder: string): Promise<void> {
  const folders = Array.from({ length: 40 }, (_, n) => join(folder, 'app', String(n)))
  await Promise.all(folders.map(path => mkdir(path, { recursive: true })))
  await writeFile(join(folder, 'app', 'main.mjs'), '12345')
}

test('packages are listed while one of them is removed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-images-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const images = new PackageImages(folder)
  const [kept, gone] = ['kept', 'gone'].map(hash => join(folder, 'hello', hash)) as [string, string]
  await write(kept)
  for (let round = 0; round < 20; round += 1) {
    await write(gone)
    const [listed] = await Promise.all([images.list(), rm(gone, { recursive: true, maxRetries: 3 })])
    expect(listed).toContainEqual(expect.objectContaining({ route: 'hello', hash: 'kept' }))
  }
  expect(await images.list()).toHaveLength(1)
})
