/** Images as files, and the way in which a machine of the swarm fetches them. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SCRATCH_BASE } from '../../contract/index.ts'
import { ImageServer } from '../swarm/image-server.ts'
import { OciImages } from './oci-images.ts'

interface Manifest {
  config: { digest: string; size: number }
  layers: { digest: string; size: number; mediaType: string }[]
}

const never = new AbortController().signal
let home: string
let program: string
let images: OciImages
const servers: ImageServer[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-images-'))
  program = join(home, 'program')
  await writeFile(program, 'not linked with anything', { mode: 0o755 })
  images = new OciImages({
    ...{ folder: join(home, 'images'), project: 'rfa', maker: 'this test' },
    sourceOf: async () => ({ kind: 'assemble', nodePath: process.execPath }),
  })
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await rm(home, { recursive: true, force: true })
})

async function packageOf(hash: string, code = hash) {
  const dir = join(home, hash)
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'main.mjs'), code)
  return { route: 'pay', hash, dir, base: SCRATCH_BASE }
}

async function serve(isMachine = true): Promise<string> {
  const server = await ImageServer.start({ host: '127.0.0.1', blobs: images.blobs, isMachine: () => isMachine })
  servers.push(server)
  return server.address
}

function get(address: string, path: string, method = 'GET') {
  return new Promise<{ status: number | undefined; body: string; type: string | undefined }>((resolve, reject) => {
    request(`http://${address}${path}`, { method, agent: false }, response => {
      void text(response).then(body =>
        resolve({ status: response.statusCode, body, type: response.headers['content-type'] }),
      )
    })
      .on('error', reject)
      .end()
  })
}

const digestIn = async (ref: string, all = images) => (await all.find(ref))?.manifest.digest
const digestOf = (content: string) => `sha256:${createHash('sha256').update(content).digest('hex')}`

test('everything that a manifest names is served under its digest', async () => {
  const ref = await images.build(await packageOf('h1'), never)
  const address = await serve()
  const digest = (await digestIn(ref))!
  const answer = await get(address, `/v2/rfa/manifests/${digest}`)
  expect([answer.status, answer.type]).toEqual([200, 'application/vnd.oci.image.manifest.v1+json'])
  expect(digestOf(answer.body)).toBe(digest)
  const { config, layers } = JSON.parse(answer.body) as Manifest
  expect(layers).toHaveLength(1)
  for (const { digest: named, size } of [config, ...layers]) {
    const { body } = await get(address, `/v2/rfa/blobs/${named}`)
    expect([digestOf(body), body.length]).toEqual([named, size])
    expect(await get(address, `/v2/rfa/blobs/${named}`, 'HEAD')).toMatchObject({ status: 200, body: '' })
  }
  expect((await get(address, `/v2/rfa/blobs/${layers[0]!.digest}`)).body).toContain('app/main.mjs')
})

test('what is no content, or out of the folder, is not found; nothing is written', async () => {
  await images.build(await packageOf('h1'), never)
  const address = await serve()
  expect((await get(address, '/v2/')).status).toBe(200)
  const zeros = '0'.repeat(64)
  for (const path of [
    '/',
    '/v2/rfa/manifests/latest',
    `/v2/rfa/blobs/sha256:${zeros}`,
    '/v2/rfa/blobs/../../program',
  ]) {
    expect([path, (await get(address, path)).status]).toEqual([path, 404])
  }
  expect((await get(address, `/v2/rfa/blobs/uploads/`, 'POST')).status).toBe(405)
})

test('who is no machine of the swarm is not answered', async () => {
  const address = await serve(false)
  await expect(get(address, '/v2/')).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test('a package is built once; what only a removed image was made of is removed', async () => {
  const [one, two] = [await packageOf('h1', 'same'), await packageOf('h2', 'same')]
  const [first, again, second] = [
    await images.build(one, never),
    await images.build(one, never),
    await images.build(two, never),
  ]
  expect([first, again]).toEqual(['rfa-pay:h1', 'rfa-pay:h1'])
  const count = async () => (await readdir(join(home, 'images', 'blobs'))).length
  const before = await count()
  await images.remove(first)
  await images.remove(first)
  expect(await digestIn(first)).toBeUndefined()
  expect((await images.list()).map(({ ref, hash }) => [ref, hash])).toEqual([[second, 'h2']])
  // They have the layer in common.
  const address = await serve()
  const manifest = await get(address, `/v2/rfa/manifests/${await digestIn(second)}`)
  const { layers } = JSON.parse(manifest.body) as Manifest
  expect((await get(address, `/v2/rfa/blobs/${layers[0]!.digest}`)).status).toBe(200)
  await images.remove(second)
  expect([before > 0, await count()]).toEqual([true, 0])
})

test('an image of which a part is lost is built again', async () => {
  const built = await packageOf('h1')
  const ref = await images.build(built, never)
  await rm(images.blobs.pathOf((await digestIn(ref))!))
  expect(await digestIn(ref)).toBeUndefined()
  await images.build(built, never)
  expect(await digestIn(ref)).toMatch(/^sha256:/)
})

test('a build that is cancelled leaves nothing', async () => {
  await expect(images.build(await packageOf('h1'), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await images.list()).toEqual([])
  expect(await readdir(join(home, 'images', 'blobs'))).toEqual([])
})

test('the base is a layer that images have in common', async () => {
  const built = { ...(await packageOf('h1')), base: `host:${program}` }
  const onHost = new OciImages({
    ...{ folder: join(home, 'images'), project: 'rfa', maker: 'this test' },
    sourceOf: async () => ({ kind: 'host', paths: [program] }),
  })
  const refs = [await onHost.build(built, never), await onHost.build({ ...built, route: 'other' }, never)]
  const address = await serve()
  const bases = await Promise.all(
    refs.map(async ref => {
      const { body } = await get(address, `/v2/rfa/manifests/${await digestIn(ref, onHost)}`)
      return (JSON.parse(body) as Manifest).layers[0]!.digest
    }),
  )
  expect(bases[0]).toBe(bases[1])
  expect((await get(address, `/v2/rfa/blobs/${bases[0]}`)).body).toContain('etc/passwd')
})

test('a base that cannot be made of files is refused', async () => {
  const built = { ...(await packageOf('h1')), base: 'dockerfile:Dockerfile' }
  await expect(images.build(built, never)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})
