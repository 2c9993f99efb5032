/** A platform in containers of one machine moves to a swarm of that same machine and back while its functions are called. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/load.ts'
import { Machines, type Machine } from '../support/machines.ts'
import { BIN, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

let machines: Machines
let machine: Machine
let platform: TestPlatform
let url: string

/** The command line in the network of the machine: the engine `docker` reaches containers by their own addresses. */
const THERE = (netns: string) => `
  const { spawnSync } = require('node:child_process')
  const args = ['--net=${netns}', process.execPath, ${JSON.stringify(BIN)}, ...process.argv.slice(2)]
  const { status } = spawnSync('nsenter', args, { stdio: 'inherit' })
  process.exit(status ?? 70)`

beforeAll(async () => {
  machines = await Machines.start(1)
  machine = machines.all[0]!
  const program = join(machines.folder, 'ryo-faas.cjs')
  await writeFile(program, THERE(machine.netns))
  platform = await TestPlatform.make({ DOCKER_HOST: machine.dockerHost, RYO_FAAS_PORT: '9999' }, program)
  const ports = ['--agent-port', '0', '--nats-port', '0', '--store-port', '0', '--port', '9999']
  await platform.ok(['startFaas', '--project', platform.project, '--engine', 'docker', '--host', '0.0.0.0', ...ports])
  const code = `
    import { store } from '@ryo-faas/runtime'
    export const hello = async (request: Request) => {
      if (request.method === 'POST') await store('seen').create({ by: process.env.RYO_FAAS_INSTANCE })
      return new Response(process.env.WORD)
    }`
  const options = { instances: 2, access: 'public', secrets: ['WORD'] }
  await platform.ok(['secrets', 'set', 'WORD'], { input: 'hello' })
  await writeProject(join(platform.home, 'project'), { hello: { code, options } })
  await platform.ok(['deploy', 'project/deploy.json'])
  url = `http://${machine.address}:9999/functions/hello`
})
afterAll(async () => {
  await platform?.remove()
  await machines?.stop()
})

/** Which of the containers that run are tasks of the swarm. */
async function where(): Promise<string[]> {
  const filters = { label: [`${platform.project}.function=hello`] }
  const containers = await machine.docker.listContainers({ filters })
  return containers.map(({ Labels }) => (Labels['com.docker.swarm.task.id'] === undefined ? 'docker' : 'swarm'))
}
const move = (engine: string) => platform.cli(['startFaas', '--take-over', '--engine', engine])

test('without a swarm nothing is changed, and it is said how to make one', async () => {
  const { code, stderr } = await move('swarm')
  expect([code, stderr]).toEqual([70, expect.stringMatching(/in no swarm[^]*docker swarm init/)])
  expect(await where()).toEqual(['docker', 'docker'])
})

test('no call is lost on the way there and back, and functions reach the store on both', async () => {
  await machines.makeSwarm()
  for (const engine of ['swarm', 'docker']) {
    const load = startLoad(url, { connections: 4, pauseMs: 5 })
    const { code, stderr } = await move(engine)
    expect([code, stderr]).toEqual([0, expect.any(String)])
    await until(async () => (await where()).join() === [engine, engine].join() || undefined)
    expect((await fetch(url, { method: 'POST' })).status).toBe(200)
    await load.after(50)
    const { failures, bodies } = await load.stop()
    expect(failures).toEqual([])
    expect([...bodies.keys()]).toEqual(['hello'])
    // Nothing of the engine before is left.
    const left = async () => {
      const [services, networks] = await Promise.all([
        machine.docker.listServices(),
        machine.docker.listNetworks({ filters: { label: [`ryo-faas=${platform.project}`] } }),
      ])
      return new Set([...(services.length > 0 ? ['services'] : []), ...networks.map(({ Scope }) => Scope)])
    }
    const wanted = engine === 'swarm' ? ['services', 'swarm'] : ['local']
    await until(async () => [...(await left())].sort().join() === wanted.join() || undefined)
  }
})
