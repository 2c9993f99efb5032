/**
 * A platform on three machines (namespaces of this one, each with a Docker, an agent, a member of NATS and a proxy): how long
 * one function takes to many instances on all of them, what a redeploy of these costs its callers, and what a call to an
 * instance on another machine costs the proxy.
 */
import { join } from 'node:path'
import { startLoad } from '../../agent/test/support/load.ts'
import { MachineCluster, PORTS, type Member } from '../../agent/test/support/machine-cluster.ts'
import { writeProject } from '../../agent/test/support/platform.ts'
import { load, type LoadResult } from '../proxy/load.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { until } from '../support/programs.ts'

const INSTANCES = 60
const FEW = 3
const GOAL_SCALE_MS = 10_000
const GOAL_HOP = 1.3
const CONNECTIONS = { hop: 32, redeploy: 16 }

export const machinesBench: Bench = {
  name: 'machines',
  title: 'Several machines',
  method: `Three machines in one, each with a Docker in the swarm, a nats-server, an agent and a proxy; all share these two cores. A function of ${FEW} instances is scaled to ${INSTANCES}, from the command to its end, which is when the last one is ready; then a new version of all of them is deployed while ${CONNECTIONS.redeploy} callers call it. A hop: wrk with ${CONNECTIONS.hop} connections to the proxy of the first machine, and the CPU time of that proxy per call, to an instance on the same machine and to one on another; turns alternate.`,
  run: benchMachines,
}

async function benchMachines(stage: Stage): Promise<Report> {
  stage.say('machines: starting three')
  const cluster = await MachineCluster.start(['--max-instances', '200', '--start-timeout-ms', '120000'])
  stage.onEnd(() => cluster.remove())
  const hops = await measureHops(cluster, stage)
  const many = await measureMany(cluster, stage)
  const hop = ratio(
    hops.other.map(({ cpuUs }) => cpuUs),
    hops.same.map(({ cpuUs }) => cpuUs),
  )
  const hopRow = (name: string, all: LoadResult[]) => [
    name,
    figure(median(all.map(({ requestsPerSecond }) => requestsPerSecond))),
    figure(median(all.map(({ p50Ms }) => p50Ms))),
    figure(median(all.map(({ cpuUs }) => cpuUs))),
    String(all.reduce((sum, { failures }) => sum + failures, 0)),
  ]
  return {
    tables: [
      {
        title: 'One function',
        head: ['', 'seconds', 'on each machine', 'calls meanwhile', 'lost'],
        rows: [
          [`from ${FEW} to ${INSTANCES} instances`, figure(many.scaleMs / 1_000), many.spread.join(', '), '–', '–'],
          [
            `redeploy of ${INSTANCES}`,
            figure(many.redeployMs / 1_000),
            many.spreadAfter.join(', '),
            String(many.calls),
            String(many.lost.length),
          ],
        ],
      },
      {
        title: 'A hop',
        head: ['instance', 'req/s', 'p50 ms', 'proxy CPU µs/req', 'failures'],
        rows: [hopRow('on the same machine', hops.same), hopRow('on another machine', hops.other)],
      },
    ],
    goals: [
      {
        what: `${FEW} to ${INSTANCES} instances on three machines`,
        ...{ measured: many.scaleMs, unit: 'ms', bound: { kind: 'at most', limit: GOAL_SCALE_MS } },
      },
      {
        what: `calls lost while all ${INSTANCES} are replaced`,
        ...{ measured: many.lost.length, unit: '', bound: { kind: 'at most', limit: 0 } },
      },
      {
        what: 'CPU of a hop to another machine, to that of one to the same',
        ...{ measured: hop, unit: '×', bound: { kind: 'at most', limit: GOAL_HOP } },
      },
    ],
  }
}

async function measureHops({ members }: MachineCluster, stage: Stage): Promise<Record<'same' | 'other', LoadResult[]>> {
  const [first, second] = members as [Member, Member]
  const on = (name: string) => ({
    code: `export const hop = () => new Response('hi')`,
    options: { export: 'hop', access: 'public', instances: 1, nodes: `node.hostname==${name}` },
  })
  const folder = join(stage.folder, 'hops')
  const project = await writeProject(folder, { same: on(first.machine.name), other: on(second.machine.name) })
  await first.platform.ok(['deploy', project])
  const url = urlOf(first)
  const { pid } = first.proxy!
  const target = (name: string) => ({ url: `${url}/functions/${name}`, pid })
  await Promise.all(['same', 'other'].map(name => untilServed(target(name).url, 'hi')))
  const [same, other] = await takeTurns(['same', 'other'], stage.quick ? 2 : 6, (name, round) => {
    stage.say(`machines: hop ${round + 1}`)
    return load(target(name), { seconds: stage.quick ? 1 : 3, connections: CONNECTIONS.hop })
  })
  await first.platform.ok(['remove', 'same', 'other', '--yes']).catch(() => undefined)
  return { same: same!, other: other! }
}

interface Many {
  scaleMs: number
  redeployMs: number
  spread: number[]
  spreadAfter: number[]
  calls: number
  lost: string[]
}

async function measureMany(cluster: MachineCluster, stage: Stage): Promise<Many> {
  const [first] = cluster.members as [Member]
  const { platform } = first
  const deploy = async (answer: string, instances: number) => {
    const folder = join(stage.folder, 'many')
    const options = { access: 'public', instances, memoryMb: 64 }
    const code = `export const many = () => new Response('${answer}')`
    await platform.ok(['deploy', await writeProject(folder, { many: { code, options } })])
  }
  const timed = async (run: () => Promise<unknown>) => {
    const begin = performance.now()
    await run()
    return performance.now() - begin
  }
  const spread = () =>
    Promise.all(
      cluster.members.map(async ({ machine }) => {
        const filters = { label: [`${platform.project}.function=many`] }
        return (await machine.docker.listContainers({ filters })).length
      }),
    )
  await deploy('one', FEW)
  stage.say(`machines: scaling to ${INSTANCES}`)
  const scaleMs = await timed(() => platform.ok(['scale', 'many', String(INSTANCES)]))
  const before = await spread()
  stage.say(`machines: ${INSTANCES} instances after ${figure(scaleMs)} ms`)
  stage.say(`machines: redeploying ${INSTANCES}`)
  const url = `${urlOf(first)}/functions/many`
  const calling = startLoad(url, { connections: CONNECTIONS.redeploy, method: 'POST', pauseMs: 20 })
  await calling.after(CONNECTIONS.redeploy)
  const redeployMs = await timed(() => deploy('two', INSTANCES))
  await untilServed(url, 'two')
  const { failures, calls } = await calling.stop()
  return { scaleMs, redeployMs, spread: before, spreadAfter: await spread(), calls, lost: failures }
}

/** Of its further proxy. */
function urlOf({ machine }: Member): string {
  return `http://${machine.address}:${PORTS.further}`
}

function untilServed(url: string, text: string): Promise<void> {
  return until(async () => {
    const found = await (await fetch(url)).text()
    if (found !== text) throw new Error(`${url} answers ${found}`)
  })
}
