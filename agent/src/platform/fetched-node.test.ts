import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { fetchedNode, fetchNode } from './fetched-node.ts'

/** A cache, and an npm that packs this file whatever it is asked for. */
async function prepare(expected: (archive: Buffer) => Buffer) {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-node-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const tar = pack()
  tar.entry({ name: 'package/bin/node', mode: 0o755 }, 'a binary')
  tar.finalize()
  const archive = gzipSync(await buffer(tar))
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'archive'), archive)
  await writeFile(join(folder, 'bin', 'npm'), `#!/bin/sh\n/bin/cp ${folder}/archive "$4/node.tgz"\n`)
  await chmod(join(folder, 'bin', 'npm'), 0o755)
  const integrity = `sha512-${createHash('sha512').update(expected(archive)).digest('base64')}`
  const wanted = { [`${process.platform}-${process.arch}`]: { package: 'some-node', version: '24.0.0', integrity } }
  return { wanted, environment: { XDG_CACHE_HOME: join(folder, 'cache'), PATH: join(folder, 'bin') } }
}

test('it is fetched once', async () => {
  const cache = await prepare(archive => archive)
  expect(fetchedNode(cache)).toBeUndefined()
  const said: string[] = []
  for (let i = 0; i < 2; i++) await fetchNode(cache, doing => said.push(doing))
  expect(said).toEqual(['fetching Node 24.0.0 (once)'])
  expect(await readFile(fetchedNode(cache)!, 'utf8')).toBe('a binary')
})

test('a file that is not the expected one is not kept', async () => {
  const cache = await prepare(() => Buffer.from('another'))
  await expect(fetchNode(cache, () => undefined)).rejects.toThrow('not the expected file')
  expect(fetchedNode(cache)).toBeUndefined()
  expect(await readdir(join(cache.environment.XDG_CACHE_HOME, 'ryo-faas', 'node'))).toEqual([])
})

test('nothing is fetched in a checkout, which wants none', async () => {
  await fetchNode({ wanted: undefined, environment: { PATH: '' } }, () => expect.unreachable())
})
