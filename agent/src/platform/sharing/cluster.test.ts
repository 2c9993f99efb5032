import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { TestNats } from '../../bus/testing/nats-server.ts'
import { onAgentsBus } from '../../cluster/cluster-testing.ts'
import { SecretStore } from '../../secrets/index.ts'
import { openHome } from '../launch.ts'
import { resolveOptions } from '../options.ts'
import { Cluster } from './cluster.ts'

let nats: TestNats
onAgentsBus(made => ({ nats } = made))
let root: string
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'rfa-agents-'))))
afterAll(() => rm(root, { recursive: true }))

/** An agent with a home of its own. */
async function agent(name: string, docker: string | undefined) {
  const folder = join(root, name)
  const home = await openHome(folder, { isAdopted: false, keepsKeys: true })
  const natsUrl = nats.url.replace('://', `://${nats.user}:${nats.password}@`)
  const options = resolveOptions({ natsUrl, store: 'postgres://db/ryo', clusterKey: join(root, 'key') }, {}, {})
  const cluster = await Cluster.join({
    ...{ home, secrets: new SecretStore(folder), options, version: '1.0.0', docker, log: pino({ level: 'silent' }) },
    onChange: () => undefined,
    onDeposed: () => undefined,
  })
  onTestFinished(async () => {
    await cluster.close()
    await home.tokens.close()
  })
  return { start: () => cluster.start({ port: 1, onLead: () => undefined }), cluster }
}

test('a second agent with the same Docker does not take part; one with another does', async () => {
  expect(await (await agent('one', 'a')).start()).toBe('leads')
  const second = await agent('two', 'a')
  await expect(second.start()).rejects.toMatchObject({
    ...{ code: 'INVALID_OPTION', message: expect.stringContaining('uses the same Docker') },
    hint: expect.stringContaining('--engine swarm'),
  })
  expect(second.cluster.isHeld).toBe(false)
  expect(await (await agent('three', 'b')).start()).toBe('follows')
  expect(await (await agent('four', undefined)).start()).toBe('follows')
})
