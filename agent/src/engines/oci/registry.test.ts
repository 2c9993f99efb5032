/** Registries that give tokens of their own, as the large ones do, and those that fail. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { BlobStore, type Descriptor } from './blob-store.ts'
import { Registry } from './registry.ts'

let folder: string
let blobs: BlobStore
let image: { manifest: Descriptor; contents: Descriptor[]; blobs: BlobStore }
/** What was brought there. */
let there: Set<string>
let asked: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-registry-'))
  blobs = new BlobStore(join(folder, 'blobs'))
  const [layer, manifest] = [
    await blobs.add('layer', Readable.from([Buffer.alloc(100_000, 'x')])),
    await blobs.addJson('application/vnd.oci.image.manifest.v1+json', { schemaVersion: 2 }),
  ]
  image = { manifest, contents: [layer], blobs }
  there = new Set()
  asked = []
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Needs the token that it gives to somebody with a password. */
async function registry(handle = answer): Promise<string> {
  const server = createServer((request, response) => void handle(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const auth = Buffer.from('somebody:with:colon').toString('base64')
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [address]: { auth } } }))
  return address
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  const { pathname, searchParams } = new URL(request.url!, 'http://there')
  const { authorization, host } = request.headers
  asked.push(`${request.method} ${pathname}`)
  if (pathname === '/token') {
    const isKnown = authorization === `Basic ${Buffer.from('somebody:with:colon').toString('base64')}`
    const isAsked = searchParams.get('scope') === 'repository:team/rfa:push' && searchParams.get('service') === 'there'
    return void response.end(JSON.stringify(isKnown && isAsked ? { token: 't0ken' } : {}))
  }
  if (authorization !== 'Bearer t0ken') {
    const challenge = `Bearer realm="http://${host}/token",service="there",scope="repository:team/rfa:push"`
    return void response.writeHead(401, { 'www-authenticate': challenge }).end()
  }
  const digest = searchParams.get('digest') ?? pathname.split('/').at(-1)!
  if (request.method === 'HEAD') return void response.writeHead(there.has(digest) ? 200 : 404).end()
  if (request.method === 'POST') return void response.writeHead(202, { location: `/v2/upload?state=1` }).end()
  const isWhole = `sha256:${createHash('sha256').update(body).digest('hex')}` === digest
  if (isWhole) there.add(digest)
  response.writeHead(isWhole ? 201 : 400).end()
}

const of = (address: string, environment = { DOCKER_CONFIG: folder }) =>
  new Registry({ address: `http://${address}/team/`, environment })

test('everything is brought there once, with the token that the password gives', async () => {
  const to = of(await registry())
  await to.push('rfa', image)
  expect(there).toEqual(new Set([image.manifest.digest, image.contents[0]!.digest]))
  asked.length = 0
  await to.push('rfa', image)
  expect(asked).toEqual([`HEAD /v2/team/rfa/manifests/${image.manifest.digest}`])
})

test('a content that is there is not sent again', async () => {
  const to = of(await registry())
  there.add(image.contents[0]!.digest)
  await to.push('rfa', image)
  expect(asked.filter(line => line.startsWith('PUT'))).toEqual([`PUT /v2/team/rfa/manifests/${image.manifest.digest}`])
})

test('a tag is a name for the image, whatever had it before; the image itself is not pushed again', async () => {
  const asked: string[] = []
  const address = await registry(async ({ method, url }, response) => {
    asked.push(`${method} ${url}`)
    const isThere = url!.endsWith(image.manifest.digest) && asked.some(line => line.startsWith('PUT'))
    response.writeHead(method === 'HEAD' ? (isThere ? 200 : 404) : method === 'POST' ? 202 : 201, {
      location: '/upload',
    })
    response.end()
  })
  const to = of(address)
  await to.push('rfa-pay', { ...image, tag: 'abc' })
  expect(asked.at(-1)).toBe('PUT /v2/team/rfa-pay/manifests/abc')
  const before = asked.length
  await to.push('rfa-pay', { ...image, tag: 'abc' })
  const manifests = '/v2/team/rfa-pay/manifests'
  expect(asked.slice(before)).toEqual([`HEAD ${manifests}/${image.manifest.digest}`, `PUT ${manifests}/abc`])
})

test('references begin with its address, without the scheme', async () => {
  expect(new Registry({ address: 'https://registry.example.org/team/', environment: {} })).toMatchObject({
    ...{ address: 'registry.example.org/team', host: 'registry.example.org' },
  })
})

test.each<[string, (request: IncomingMessage, response: ServerResponse) => Promise<void>, RegExp]>([
  ['that is broken', async (_, response) => void response.writeHead(500).end(), /it answered 500/],
  ['that hangs up', async (_, response) => void response.destroy(), /does not take images/],
  ['that asks for no known thing', async (_, response) => void response.writeHead(401).end(), /it answered 401/],
  [
    'whose token server is none',
    async (_, response) => void response.writeHead(401, { 'www-authenticate': 'Bearer realm="nowhere"' }).end(),
    /does not take images/,
  ],
  [
    'that gives no place for a content',
    async (request, response) => void response.writeHead(request.method === 'HEAD' ? 404 : 202).end(),
    /does not take images/,
  ],
])('a registry %s', async (_, handle, message) => {
  await expect(of(await registry(async (...both) => handle(...both))).push('rfa', image)).rejects.toMatchObject({
    ...{ code: 'REGISTRY_FAILED', message: expect.stringMatching(message) as string },
  })
})

test('one that nobody has logged in to, or whose file is not JSON', async () => {
  const address = await registry()
  await expect(of(address, { DOCKER_CONFIG: '/nowhere' }).push('rfa', image)).rejects.toMatchObject({
    ...{ code: 'REGISTRY_FAILED', message: expect.stringMatching(/gives no token/) as string },
  })
  await writeFile(join(folder, 'config.json'), 'not JSON')
  await expect(of(address).push('rfa', image)).rejects.toMatchObject({ code: 'REGISTRY_FAILED' })
})
