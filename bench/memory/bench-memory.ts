/**
 * The memory of an idle function, with several running at once as on a platform. Containers are measured through the
 * Docker API: `usage` is what `docker stats` shows (it counts file pages towards the container that read them first),
 * `own` is anonymous memory only. Processes are measured through /proc.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { containerOptions } from '../../agent/src/engines/docker/container-spec.ts'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { ownBaseImage } from '../support/base-image.ts'
import { bareServer, HANDLERS } from '../support/built-function.ts'
import { median } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { startPlatform } from '../support/platform.ts'
import { memoryOf } from '../support/processes.ts'
import { freePort, pause, run, startProgram, untilAnswer } from '../support/programs.ts'
import { figure, times, type Bench, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const COUNT = 5
const MIB = 1024 ** 2
/** Time to become idle after the first response. */
const SETTLE_MS = 1500

export const memoryBench: Bench = {
  name: 'memory',
  title: 'Memory of an idle function',
  method: `The median of ${COUNT} functions running at once, each called once and then left idle, compared with ${COUNT} bare node:http servers in containers like ours or as processes.`,
  run: benchMemory,
}

interface Idle {
  ownMib: number
  sharedMib: number
}

async function benchMemory(stage: Stage): Promise<Report> {
  const bareContainers = await containers(await startBareContainers(stage))
  const docker = await startPlatform(stage, 'docker')
  await deployHellos(stage, docker)
  const ourContainers = await containers(await functionContainers(docker.project))

  const bareProcesses = await startBareProcesses(stage)
  const process = await startPlatform(stage, 'process')
  await deployHellos(stage, process)
  const ourProcesses = await functionPids(process)
  await pause(SETTLE_MS)
  const inContainers = { bare: bareContainers, ours: ourContainers }
  const asProcesses = { bare: processes(bareProcesses), ours: processes(ourProcesses) }
  return {
    tables: [
      table('containers', ['own MiB', 'usage MiB'], inContainers),
      table('processes', ['own MiB', 'PSS MiB'], asProcesses),
    ],
    goals: [goal('containers', inContainers), goal('processes', asProcesses)],
  }
}

interface Measured {
  bare: Idle[]
  ours: Idle[]
}

function goal(engine: string, { bare, ours }: Measured): Goal {
  const middle = (idle: Idle[]) => median(idle.map(({ ownMib }) => ownMib))
  return {
    what: `memory of its own, ${engine}, ours to bare node:http`,
    ...{ measured: middle(ours) / middle(bare), unit: '×', bound: { kind: 'at most', limit: 1.25 } },
  }
}

function table(title: string, columns: [string, string], measured: Measured) {
  const cells = (name: string, idle: Idle[]) => [
    name,
    ...(['ownMib', 'sharedMib'] as const).flatMap(key => {
      const middle = median(idle.map(one => one[key]))
      return [figure(middle), times(middle / median(measured.bare.map(one => one[key])))]
    }),
  ]
  return {
    title,
    head: ['', columns[0], '× bare', columns[1], '× bare'],
    rows: [cells('bare node:http', measured.bare), cells('ours, Node style', measured.ours)],
  }
}

async function deployHellos(stage: Stage, platform: TestPlatform): Promise<void> {
  const names = Array.from({ length: COUNT }, (_, index) => `Hello${index}`)
  const functions = names.map(name => [name, { code: HANDLERS.node.replace('Hello', name) }] as const)
  const file = await writeProject(join(stage.folder, platform.project), Object.fromEntries(functions))
  await platform.ok(['deploy', file])
  for (const name of names) await platform.ok(['invoke', name])
}

/** Locked down exactly as by the engine; only the command differs. */
async function startBareContainers(stage: Stage): Promise<string[]> {
  const docker = new Docker()
  const project = `rfab${randomBytes(4).toString('hex')}`
  const folder = join(stage.folder, 'bare')
  await ownBaseImage(stage, `${project}:base`)
  await mkdir(folder)
  await writeFile(join(folder, 'bare.cjs'), bareServer('0.0.0.0'))
  await writeFile(join(folder, 'Dockerfile'), `FROM ${project}:base\nCOPY bare.cjs /app/bare.cjs\n`)
  stage.onEnd(() => run('docker', ['image', 'rm', '--force', project]))
  await run('docker', ['build', '--quiet', '--tag', project, folder])
  stage.onEnd(() => run('docker', ['network', 'rm', project]))
  await run('docker', ['network', 'create', project])
  const limits = { memoryMb: 256, cpus: 1, pids: 128 }
  const ids: string[] = []
  for (let index = 0; index < COUNT; index += 1) {
    const id = `bare${index}`
    const spec = {
      id,
      route: 'bare',
      version: 1,
      image: project,
      command: ['node', '/app/bare.cjs'],
      env: { PORT: '6000' },
      secrets: {},
    }
    const context = { project, network: project, extraHosts: [], reach: 'bridge' as const, secretsDir: undefined }
    const container = await docker.createContainer(containerOptions({ ...spec, limits }, context))
    stage.onEnd(() => container.remove({ force: true }))
    await container.start()
    const { NetworkSettings } = await container.inspect()
    await untilAnswer(`http://${NetworkSettings.Networks[project]!.IPAddress}:6000/`, 'Hello, World!\n')
    ids.push(container.id)
  }
  return ids
}

async function functionContainers(project: string): Promise<string[]> {
  const found = await new Docker().listContainers({ filters: { label: [`${project}=function`] } })
  return found.map(({ Id }) => Id)
}

async function containers(ids: string[]): Promise<Idle[]> {
  const docker = new Docker()
  await pause(SETTLE_MS)
  return Promise.all(
    ids.map(async id => {
      const { memory_stats } = await docker.getContainer(id).stats({ stream: false })
      const stats = memory_stats.stats as unknown as Record<string, number | undefined>
      // The names of cgroup v2, and of v1.
      const inactive = stats['inactive_file'] ?? stats['total_inactive_file'] ?? 0
      const anonymous = stats['anon'] ?? stats['total_rss'] ?? Number.NaN
      return { ownMib: anonymous / MIB, sharedMib: (memory_stats.usage - inactive) / MIB }
    }),
  )
}

async function startBareProcesses(stage: Stage): Promise<number[]> {
  const file = join(stage.folder, 'bare.cjs')
  await writeFile(file, bareServer('127.0.0.1'))
  const pids: number[] = []
  for (let index = 0; index < COUNT; index += 1) {
    const port = await freePort()
    const env = { PORT: String(port) }
    const command = { command: functionNode, args: [file], env, url: `http://127.0.0.1:${port}/` }
    pids.push((await startProgram(stage, command)).pid)
  }
  return pids
}

async function functionPids(platform: TestPlatform): Promise<number[]> {
  const { resources } = await (await platform.client()).call('resources', {})
  return resources.filter(({ type }) => type === 'instance').map(({ name }) => Number(/\bpid (\d+)/.exec(name)![1]))
}

function processes(pids: number[]): Idle[] {
  return pids.map(pid => {
    const { ownBytes, pssBytes } = memoryOf(pid)
    return { ownMib: ownBytes / MIB, sharedMib: pssBytes / MIB }
  })
}
