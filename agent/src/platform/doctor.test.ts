import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { examine } from './doctor.ts'

async function findingsIn(prepare: (home: string) => Promise<void>, environment: NodeJS.ProcessEnv = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-doctor-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const home = join(folder, 'home')
  // Docker's client reads it itself.
  vi.stubEnv('DOCKER_HOST', `unix://${folder}/none`)
  onTestFinished(() => void vi.unstubAllEnvs())
  await prepare(home)
  const ports = { RYO_FAAS_PORT: '0', RYO_FAAS_AGENT_PORT: '0', RYO_FAAS_STORE_PORT: '0', RYO_FAAS_NATS_PORT: '0' }
  const all = { ...ports, DOCKER_HOST: `unix://${folder}/none`, PATH: folder, ...environment }
  const found = await examine({ home, version: '1.0.0', environment: all, nodeCache: { wanted: {}, environment: all } })
  return Object.fromEntries(found.map(({ name, ...finding }) => [name, finding]))
}

test('a home that is new has no leftovers, and Docker may be absent', async () => {
  const found = await findingsIn(async () => undefined)
  expect(found['leftovers']).toEqual({ status: 'ok', found: 'none' })
  expect(found['home']).toMatchObject({ status: 'ok', found: expect.stringContaining('created at the first start') })
  expect(found['Docker']).toMatchObject({ status: 'warn', fix: expect.stringContaining('without isolation') })
})

test('an agent that died and a token that others can read are found', async () => {
  const found = await findingsIn(async home => {
    await mkdir(home)
    await writeFile(join(home, 'token'), 'secret')
    await chmod(join(home, 'token'), 0o644)
    const dead = { url: 'http://127.0.0.1:1', pid: 2 ** 30, startedAt: 'long ago', project: 'rfa', version: '1.0.0' }
    await writeFile(join(home, 'agent.json'), JSON.stringify(dead))
  })
  expect(found['home']).toMatchObject({ status: 'warn', fix: expect.stringContaining('chmod 600') })
  expect(found['leftovers']).toMatchObject({ status: 'warn', found: expect.stringContaining('died') })
})

test('a NATS that others run is examined in the place of a nats-server here, without a word of its password', async () => {
  const found = await findingsIn(async () => undefined, {
    RYO_FAAS_NATS_URL: 'nats://ann:secret@127.0.0.1:1',
    RYO_FAAS_NATS_CREDS: '/nowhere',
  })
  expect(found['nats-server']).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('a user or a token too'),
  })
  expect(found['ports']!.found).not.toContain('NATS')
  expect(JSON.stringify(found)).not.toContain('secret')
})

test('a port that another program has is named with the way out', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const found = await findingsIn(async () => undefined, { RYO_FAAS_STORE_PORT: String(port) })
  expect(found['ports']).toMatchObject({ status: 'fail', fix: expect.stringContaining('--store-port') })
})
