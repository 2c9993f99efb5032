/** A whole platform whose functions run on three machines. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/load.ts'
import { Machines, type Machine } from '../support/machines.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

let machines: Machines
let platform: TestPlatform
let proxyUrl: string
beforeAll(async () => {
  machines = await Machines.start(3)
  await machines.makeSwarm()
  platform = await TestPlatform.make({ DOCKER_HOST: machines.all[0]!.dockerHost })
  proxyUrl = (await platform.start('swarm')).proxyUrl
})
afterAll(async () => {
  await platform?.remove()
  await machines.stop()
})

const code = (answer: string) => `
  import { store } from '@ryo-faas/runtime'
  export const hello = async (request: Request) => {
    if (new URL(request.url).searchParams.has('keep')) {
      console.log('kept')
      await store('seen').create({ by: process.env.RYO_FAAS_INSTANCE })
    }
    return new Response(${JSON.stringify(answer)})
  }`

async function deploy(answer: string): Promise<void> {
  const options = { instances: 6 }
  await writeProject(join(platform.home, 'project'), { hello: { code: code(answer), options } })
  await platform.ok(['deploy', 'project/deploy.json'])
}

/** Running instances of the function on a machine, as its Docker sees them. */
async function countOn({ docker }: Machine): Promise<number> {
  const filters = { label: [`${platform.project}.function=hello`] }
  return (await docker.listContainers({ filters })).length
}
const counts = (of: Machine[]) => Promise.all(of.map(countOn))
const ready = async () => (await platform.details('hello')).instances.filter(({ state }) => state === 'ready').length
const call = async (query = '') => (await fetch(`${proxyUrl}/functions/hello${query}`)).text()

test('instances are spread over the machines, and reach the store from all of them', async () => {
  await deploy('one')
  const on = await counts(machines.all)
  expect([Math.min(...on) > 0, on.reduce((sum, each) => sum + each)]).toEqual([true, 6])
  const store = await platform.store()
  const seen = async () => {
    const answer = (await (await store('/tables/seen/docs?limit=1000')).json()) as {
      documents: { data: { by: string } }[]
    }
    return new Set(answer.documents.map(({ data }) => data.by)).size
  }
  await until(async () => ((await call('?keep')) === 'one' && (await seen()) === 6) || undefined)

  const { instances } = await platform.details('hello')
  expect(new Set(instances.map(({ machine }) => machine))).toEqual(new Set(['m1', 'm2', 'm3']))
  const lines = (await platform.ok(['logs', 'hello', '--json'])).trim().split('\n')
  const said = lines.map(line => JSON.parse(line) as { instance: string; line: string })
  expect(new Set(said.filter(({ line }) => line.includes('kept')).map(({ instance }) => instance)).size).toBe(6)
})

test('past the proxy nobody is answered: an instance wants its key first', async () => {
  const { docker, address } = machines.all[2]!
  const [{ Ports = [] } = {}] = await docker.listContainers({
    filters: { label: [`${platform.project}.function=hello`] },
  })
  const port = Ports.find(({ PublicPort }) => PublicPort !== undefined)!.PublicPort
  for (const path of ['/', '/.ryo-faas/health']) {
    const response = await fetch(`http://${address}:${port}${path}`, {
      headers: { 'x-ryo-faas-instance-key': 'guessed' },
    })
    expect([path, response.status]).toEqual([path, 403])
  }
})

test('a new version takes over under load without a lost call', async () => {
  const load = startLoad(`${proxyUrl}/functions/hello`, { connections: 8, pauseMs: 20 })
  await load.after(20)
  await deploy('two')
  await load.after(20)
  const { failures, bodies } = await load.stop()
  expect(failures).toEqual([])
  expect([...bodies.keys()]).toEqual(['one', 'two'])
})

test('an agent that was killed is followed by one that finds everything running', async () => {
  const idsOf = async () => (await platform.details('hello')).instances.map(({ id }) => id).sort()
  const agentOf = async () => (await platform.view()).parts.find(({ name }) => name === 'agent')!.pid!
  // Those of the version before are still ending.
  await until(async () => (await idsOf()).length === 6 || undefined)
  const [before, pid] = [await idsOf(), await agentOf()]
  process.kill(pid, 'SIGKILL')
  expect(await call()).toBe('two')
  await until(async () => {
    const now = await agentOf().catch(() => pid)
    return now !== pid && (await ready().catch(() => 0)) === 6 ? true : undefined
  })
  expect(await idsOf()).toEqual(before)
})

test('a machine that is lost is replaced by the others, and used again when it is back', async () => {
  const [first, second, third] = machines.all as [Machine, Machine, Machine]
  const load = startLoad(`${proxyUrl}/functions/hello`, { connections: 8, pauseMs: 20 })
  await load.after(20)
  await machines.kill(third)
  await load.after(20)
  await until(async () => {
    const on = await counts([first, second])
    return (on[0]! + on[1]! === 6 && (await ready()) === 6) || undefined
  })
  const { failures, bodies } = await load.stop()
  // A GET that an instance did not answer goes to another one.
  expect(failures).toEqual([])
  expect([...bodies.keys()]).toEqual(['two'])
  await machines.boot(third)
  // Docker may fail to start what comes while it clears away what was there when it was killed.
  await until(async () => (await platform.cli(['scale', 'hello', '9'])).code === 0 || undefined)
  await until(async () => (await countOn(third)) > 0 || undefined)
})
