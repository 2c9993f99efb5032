/** From one machine to two and back, over ssh, while functions are called. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/load.ts'
import { Machines } from '../support/machines.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { SshServer } from '../support/ssh-server.ts'
import { ensureInstalled } from '../support/system-packages.ts'
import { until } from '../support/until.ts'

let machines: Machines
let platform: TestPlatform
let second: SshServer
let proxyUrl: string
beforeAll(async () => {
  await ensureInstalled(['openssh-client', 'openssh-server'])
  machines = await Machines.start(2)
  second = await SshServer.start({ DOCKER_HOST: machines.all[1]!.dockerHost })
  platform = await TestPlatform.make({ DOCKER_HOST: machines.all[0]!.dockerHost })
  proxyUrl = (await platform.start('process')).proxyUrl
  const code = `
    import { store } from '@ryo-faas/runtime'
    export const hello = async (request: Request) => {
      if (request.method === 'POST') await store('seen').create({ by: process.env.RYO_FAAS_INSTANCE })
      return new Response('hello')
    }`
  await writeProject(join(platform.home, 'project'), { hello: { code, options: { instances: 4 } } })
  await platform.ok(['deploy', 'project/deploy.json'])
})
afterAll(async () => {
  await platform?.remove()
  await second?.remove()
  await machines.stop()
})

const machinesOf = async () => {
  const { instances } = await platform.details('hello')
  return instances.filter(({ state }) => state === 'ready').map(({ machine = 'here' }) => machine)
}
const server = (...args: string[]) => platform.ok(['server', ...args, '--ssh-config', second.config])
const load = () => startLoad(`${proxyUrl}/functions/hello`, { connections: 4, pauseMs: 5 })

test('a machine joins, and what runs moves to both of them without a lost call', async () => {
  const calls = load()
  const said = await server('join', 'server', '--address', machines.all[0]!.address)
  expect(said).toMatch(/m2 joined/)
  await until(async () => {
    const now = await machinesOf()
    return (now.length === 4 && ['m1', 'm2'].every(name => now.includes(name))) || undefined
  })
  const { failures } = await calls.stop()
  expect(failures).toEqual([])
  // From both they reach the store.
  const store = await platform.store()
  await until(async () => {
    await fetch(`${proxyUrl}/functions/hello`, { method: 'POST' })
    const { documents } = (await (await store('/tables/seen/docs?limit=1000')).json()) as { documents: object[] }
    return new Set(documents.map(each => (each as { data: { by: string } }).data.by)).size === 4 || undefined
  })
})

test('joining again changes nothing', async () => {
  const before = await machines.all[0]!.docker.swarmInspect()
  expect(await server('join', 'server')).toMatch(/m2 joined/)
  const after = await machines.all[0]!.docker.swarmInspect()
  expect([after.JoinTokens, (await machines.all[0]!.docker.listNodes()).length]).toEqual([before.JoinTokens, 2])
})

test('it leaves once everything runs elsewhere, without a lost call', async () => {
  const calls = load()
  expect(await server('leave', 'server')).toMatch(/m2 left/)
  expect(await machinesOf()).toEqual(['m1', 'm1', 'm1', 'm1'])
  const { failures } = await calls.stop()
  expect(failures).toEqual([])
  expect((await machines.all[0]!.docker.listNodes()).length).toBe(1)
  expect((await machines.all[1]!.docker.info()).Swarm.LocalNodeState).toBe('inactive')
})

test('and the platform goes back to one machine as it came', async () => {
  const calls = load()
  await platform.ok(['startFaas', '--take-over', '--engine', 'process'])
  await until(async () => (await machinesOf()).join() === 'here,here,here,here' || undefined)
  const { failures } = await calls.stop()
  expect(failures).toEqual([])
  await until(async () => (await machines.all[0]!.docker.listServices()).length === 0 || undefined)
})
