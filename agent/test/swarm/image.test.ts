/**
 * The image of the platform: built by its Dockerfile of what is published from here, run by the Compose file and by the
 * stack file that are shipped, on a machine of its own.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Machines, type Machine } from '../support/machines.ts'
import { startNpmRegistry } from '../support/npm-registry.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { ensureInstalled } from '../support/system-packages.ts'
import { importNatsImage, importNodeImage } from '../support/system-images.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const FOLDER = fileURLToPath(new URL('../../image/', import.meta.url))
/** Of a registry that refuses at once: Swarm asks it before it takes the image that is there. */
const IMAGE = 'localhost:1/ryo-faas:built'

let folder: string
let machines: Machines
let machine: Machine
/** The container of the platform that runs now. */
let container: string

const environment = () => ({
  ...process.env,
  DOCKER_HOST: machine.dockerHost,
  RYO_FAAS_IMAGE: IMAGE,
  DOCKER_SOCKET: machine.dockerHost.replace('unix://', ''),
})
async function command(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(program, args, { cwd: FOLDER, env: { ...environment(), DOCKER_GROUP: await group() } })
  return stdout.trim()
}
const docker = (...args: string[]) => command('docker', ...args)
const compose = (...args: string[]) => command('docker-compose', '--project-name', 'shop', ...args)
const inside = (...args: string[]) => docker('exec', container, ...args)
const group = async () =>
  (await run('stat', ['--format', '%g', machine.dockerHost.replace('unix://', '')])).stdout.trim()

const answer = async (name = 'hello') => {
  const url = `http://${machine.address}:9999/functions/${name}`
  return (await fetch(url, { signal: AbortSignal.timeout(5000) })).text()
}
const untilAnswers = (text: string) => until(async () => (await answer().catch(() => '')) === text || undefined)
const untilHealthy = () =>
  until(async () => {
    const [found] = await machine.docker.listContainers({ filters: { ancestor: [IMAGE] } })
    container = found?.Id ?? ''
    return found?.Status.includes('(healthy)') || undefined
  })

async function artefact(code: string, options: Record<string, unknown>): Promise<void> {
  const builder = await TestPlatform.make()
  await writeProject(join(folder, 'app'), { hello: { code, options: { access: 'public', ...options } } })
  await builder.ok(['deploy', join(folder, 'app'), '--build-only', '--out', join(folder, 'app.ryo')])
  await rm(builder.home, { recursive: true, force: true })
}

beforeAll(async () => {
  await ensureInstalled(['docker-compose', 'docker.io', 'iproute2', 'nats-server'])
  folder = await mkdtemp(join(tmpdir(), 'rfa-image-'))
  machines = await Machines.start(1)
  machine = machines.all[0]!
  const [registry] = await Promise.all([
    startNpmRegistry(machines.gateway),
    importNodeImage(machine.docker, 'ryo-faas-test:node'),
    importNatsImage(machine.docker, 'ryo-faas-test:nats'),
  ])
  const given = { NODE_IMAGE: 'ryo-faas-test:node', NATS_IMAGE: 'ryo-faas-test:nats', NPM_REGISTRY: registry.url }
  const args = Object.entries(given).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  await compose('build', ...args, 'platform').finally(registry.stop)
}, 300_000)
afterAll(async () => {
  await machines?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('with Compose: an artefact is deployed and called; a stop, a start and kill -9 keep it and its documents', async () => {
  await artefact(
    `
    import { store } from '@ryo-faas/runtime'
    export const hello = async (request: Request) => {
      if (request.method === 'POST') await store('seen').create({ at: Date.now() })
      return new Response('hello ' + (await store('seen').query({})).documents.length)
    }`,
    {},
  )
  await compose('up', '--detach', 'platform')
  await untilHealthy()
  await compose('cp', join(folder, 'app.ryo'), 'platform:/data/app.ryo')
  expect(await compose('exec', '-T', 'platform', 'ryo-faas', 'deploy', '/data/app.ryo')).toContain('hello v1')
  await fetch(`http://${machine.address}:9999/functions/hello`, { method: 'POST' })
  expect(await answer()).toBe('hello 1')

  await compose('stop', 'platform')
  expect((await machine.docker.getContainer(container).inspect()).State.ExitCode).toBe(0)
  await compose('start', 'platform')
  await untilAnswers('hello 1')
  await compose('kill', '--signal', 'SIGKILL', 'platform')
  await compose('start', 'platform')
  await untilAnswers('hello 1')
  // A new container, too: what is to be kept is in the volume.
  await compose('up', '--detach', '--force-recreate', 'platform')
  await untilAnswers('hello 1')
  await untilHealthy()
  await expect(inside('sh', '-c', 'echo > /usr/local/bin/node')).rejects.toThrow(/Permission denied/)
  await compose('down', '--volumes')
})

test('as a stack: functions are services of the swarm, and a killed platform comes back and finds them', async () => {
  await machines.makeSwarm()
  const [node] = (await machine.docker.listNodes()) as { ID: string }[]
  await docker('node', 'update', '--label-add', 'ryo-faas=home', node!.ID)
  await artefact(`export const hello = () => new Response(process.env.RYO_FAAS_INSTANCE)`, { instances: 2 })
  await docker('stack', 'deploy', '--resolve-image', 'never', '--compose-file', 'stack.yaml', 'shop')
  await untilHealthy()
  await docker('cp', join(folder, 'app.ryo'), `${container}:/data/app.ryo`)
  expect(await inside('ryo-faas', 'deploy', '/data/app.ryo')).toContain('hello v1')
  const services = async () =>
    (await docker('service', 'ls', '--filter', 'label=ryo-faas', '--quiet')).split('\n').sort()
  const before = await services()
  expect(before).toHaveLength(2)
  const seen = new Set<string>()
  await until(async () => seen.add(await answer()).size === 2 || undefined)

  const killed = container
  await machine.docker.getContainer(killed).kill({ signal: 'SIGKILL' })
  await until(async () => {
    const [found] = await machine.docker.listContainers({ filters: { ancestor: [IMAGE] } })
    return (found !== undefined && found.Id !== killed) || undefined
  })
  await untilHealthy()
  expect(seen).toContain(await answer())
  expect(await services()).toEqual(before)

  // With it ends what it runs.
  await docker('stack', 'rm', 'shop')
  await until(async () => (await services()).join() === '' || undefined)
})
