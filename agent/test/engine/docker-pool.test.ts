/**
 * Containers out of the pool: locked down as any other, point by point, and found again by the next agent at whatever
 * step of the hand-over the last one died.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type Docker from 'dockerode'
import type { ContainerInspectInfo } from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectDocker } from '../../src/docker/index.ts'
import { DockerEngine } from '../../src/engines/docker/docker-engine.ts'
import { poolSizeOf } from '../../src/engines/pool/pool-size.ts'
import { until } from '../support/until.ts'
import { ask, EngineStage } from './engine-stage.ts'

const project = `rfat${randomBytes(4).toString('hex')}`
const runtimeDir = fileURLToPath(new URL('../../../runtime/', import.meta.url))

let docker: Docker
let stage: EngineStage

async function engineIn(home: string, pool: number): Promise<DockerEngine> {
  const connection = await connectDocker(process.env)
  docker = connection.docker
  const baseImage = { kind: 'assemble', nodePath: process.execPath } as const
  return new DockerEngine({ ...connection, project, home, baseImage, pool: poolSizeOf({ pool, runtimeDir }) })
}

beforeAll(async () => {
  stage = await EngineStage.make(home => ({
    ...{ has: [], isolates: true, limitsMemory: true },
    make: () => engineIn(home, 1),
  }))
  stage.engine.pool!.open([stage.specOf()])
})
afterAll(async () => {
  await stage.stopInstances()
  await stage.remove()
})

const inspect = (name: string): Promise<ContainerInspectInfo> => docker.getContainer(name).inspect()
const poolFolder = () => join(stage.home, 'run', 'pool')
const folders = () => readdir(poolFolder())
const waiting = async () => {
  const found = await docker.listContainers({ all: true, filters: { label: [`${project}.pool`] } })
  return found.filter(({ Names }) => Names[0]!.includes('--pool-'))
}

/** Every leaf of what Docker says, by its path; without what differs between any two containers. */
function points(value: unknown, path = ''): [path: string, leaf: unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([key, inner]) => points(inner, path === '' ? key : `${path}.${key}`))
}
const OF_ITS_OWN =
  /^(?:Id|Created|Name|HostnamePath|HostsPath|LogPath|ResolvConfPath|Config\.Hostname|State\.(?:Pid|StartedAt)|GraphDriver\.Data\..*|NetworkSettings\.(?:SandboxID|SandboxKey|.*(?:EndpointID|IPAddress|MacAddress|DNSNames\.\d+)))$/
/** What a container from the pool cannot have, and what it has instead. */
const KNOWN =
  /^(?:Path|Args\.\d+|Image|Config\.(?:Image|Cmd\.\d+|Env.*|Labels\..*)|HostConfig\.Binds.*|Mounts.*|HostConfig\.NanoCpus)$/

test('an instance out of the pool is locked down like a fresh one, point by point', async () => {
  const given = { env: { OWN: 'of the environment' }, secrets: { KEY: 'of the secrets' } }
  const limits = { memoryMb: 128, cpus: 0.5, pids: 64 }
  const [pooled, fresh] = [await stage.take({ ...given, limits }), await stage.start({ ...given, limits })]
  expect((await stage.engine.instances()).map(({ name }) => name)).toContain(pooled.name)
  const [one, other] = await Promise.all([inspect(pooled.name), inspect(fresh.name)])
  const comparable = (found: ContainerInspectInfo) =>
    Object.fromEntries(points(found).filter(([path]) => !OF_ITS_OWN.test(path) && !KNOWN.test(path)))
  expect(comparable(one)).toEqual(comparable(other))
  expect(Object.keys(comparable(one)).length).toBeGreaterThan(80)
  expect(one.HostConfig.NanoCpus).toBe(other.HostConfig.NanoCpus)
  expect(one.Mounts.map(({ Destination, RW }) => [Destination, RW]).toSorted()).toEqual([
    ['/app', false],
    ['/run/secrets', false],
  ])
  // The other one's are there for who may ask Docker.
  expect(JSON.stringify(other)).toContain('of the environment')
  expect(JSON.stringify(one)).not.toMatch(/of the (?:environment|secrets)/)
  expect(pooled.name).toBe(`${project}-probe--${pooled.id}`)
  await stage.engine.promote!(pooled.id)
  expect(await inspect(`${project}-probe`)).toMatchObject({ Id: one.Id })
  const facts = (await ask(pooled, '/who')) as object
  expect(Object.keys(facts)).toEqual(Object.keys((await ask(fresh, '/who')) as object))
  expect([await ask(pooled, '/write'), await ask(pooled, '/tmp')]).toEqual(['EROFS', 'written'])
  await stage.stopInstances()
})

test('what waits is nobody’s, what was handed over is found again, and strays are removed', async () => {
  const instance = await stage.take()
  await ask(instance, '/')
  await until(async () => (stage.engine as DockerEngine).pool!.count > 0 || undefined)
  const [waits] = await waiting()
  const poolId = waits!.Labels[`${project}.pool`]!
  // Died after the record, before the pipe was gone; and another one while removing a container.
  const record = { id: 'i0x', route: 'probe', version: 1, takenAt: new Date().toISOString() }
  await writeFile(join(poolFolder(), poolId, 'instance.json'), JSON.stringify(record))
  await (stage.engine as DockerEngine).close()
  const successor = await engineIn(stage.home, 0)
  await successor.prepare(() => undefined)
  expect(await successor.instances()).toEqual([instance])
  await until(async () => ((await waiting()).length === 0 && (await folders()).length === 1 ? true : undefined))
  expect(await successor.instances()).toEqual([instance])
  expect(await ask(instance, '/')).toBe('hello')
  // Died after the pipe was gone, before anything was written: it ends by itself, and is listed as such.
  await successor.close()
  const next = await engineIn(stage.home, 1)
  await next.prepare(() => undefined)
  next.pool!.open([stage.specOf()])
  // One that is still being started is removed by the close.
  await until(async () => next.pool!.count === 1 || undefined)
  const [half] = await waiting()
  const halfFolder = join(poolFolder(), half!.Labels[`${project}.pool`]!)
  await next.close()
  await writeFile(join(halfFolder, 'instance.json'), JSON.stringify({ ...record, id: 'i1x' }))
  await docker.getContainer(half!.Id).kill()
  await rm(join(halfFolder, 'app', '.ryo-faas-hand-over'))
  const last = await engineIn(stage.home, 1)
  expect((await last.instances()).map(({ id, state }) => [id, state.kind]).toSorted()).toEqual(
    [
      [instance.id, 'running'],
      ['i1x', 'exited'],
    ].toSorted(),
  )
  await last.stop('i1x', 0)
  expect(await stat(halfFolder).catch(() => 'gone')).toBe('gone')
  // Removed by others: nothing of it is listed, and its folder goes with the next sweep.
  await docker.getContainer(instance.name).remove({ force: true })
  expect(await last.instances()).toEqual([])
  await last.cleanUp(false)
  expect([await waiting(), await folders().catch(() => [])]).toEqual([[], []])
  await last.close()
})

test('a container that an agent created and did not live to start is removed by the next one', async () => {
  // Another test removed what it shares.
  await stage.engine.prepare(() => undefined)
  const labels = Object.entries({ function: 'probe', version: '1', instance: 'i2x' })
  const created = await docker.createContainer({
    name: `${project}-probe--i2x`,
    Image: stage.specOf().image,
    Cmd: ['node'],
    Labels: {
      ...Object.fromEntries(labels.map(([key, value]) => [`${project}.${key}`, value])),
      ...{ 'ryo-faas': project, [project]: 'function' },
    },
  })
  // One that is being started is that of the engine which asks.
  const starting = stage.start()
  await stage.engine.instances()
  const instance = await starting
  const next = await engineIn(stage.home, 0)
  expect((await next.instances()).map(({ id }) => id)).toEqual([instance.id])
  const goneOr = (error: { statusCode: number }) => error.statusCode
  await until(async () => ((await created.inspect().catch(goneOr)) === 404 ? true : undefined))
  await next.close()
  await stage.stopInstances()
})

test('a container that died while it waited is passed over', async () => {
  const engine = await engineIn(stage.home, 1)
  await engine.prepare(() => undefined)
  engine.pool!.open([stage.specOf()])
  await until(async () => engine.pool!.count > 0 || undefined)
  const [dead] = await waiting()
  await docker.getContainer(dead!.Id).remove({ force: true })
  const taken = await until(async () => {
    const answer = await engine.pool!.take(stage.specOf(), stage.built, new AbortController().signal)
    return answer.kind === 'taken' ? answer.instance : undefined
  })
  expect(await ask(taken, '/')).toBe('hello')
  expect(await waiting()).not.toContainEqual(expect.objectContaining({ Id: dead!.Id }))
  await engine.cleanUp(false)
  await engine.close()
})
