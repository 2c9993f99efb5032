/** What images share (the base, the layer with a function's labels) must not be removed while in use. */
import { randomBytes } from 'node:crypto'
import { appendFile, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import Docker from 'dockerode'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RyoFaasError } from '../../src/contract/index.ts'
import { connectDocker, nullIfMissing } from '../../src/docker/index.ts'
import { DockerEngine } from '../../src/engines/docker/docker-engine.ts'
import { furtherTest } from '../support/further-test.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const never = new AbortController().signal
/** Of three that build and remove at once. */
const ROUNDS = IS_WHOLE ? 8 : 3
let home: string
let engines: DockerEngine[]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-base-'))
  engines = []
})
afterEach(async () => {
  for (const engine of engines) {
    await engine.cleanUp(true)
    await engine.close()
  }
  await rm(home, { recursive: true })
})

async function makeEngine(connected?: Awaited<ReturnType<typeof connectDocker>>): Promise<DockerEngine> {
  const connection = connected ?? (await connectDocker(process.env))
  const project = `rfat${randomBytes(4).toString('hex')}`
  const baseImage = { kind: 'assemble', nodePath: process.execPath } as const
  const otherBaseImage = async (base: string) => {
    if (base === 'node@22') return { kind: 'assemble', nodePath: join(home, 'other-node') } as const
    throw new RyoFaasError('UNSUPPORTED', `no base "${base}"`)
  }
  const engine = new DockerEngine({ ...connection, project, home, baseImage, otherBaseImage })
  await engine.prepare(() => undefined)
  engines.push(engine)
  return engine
}

async function packageNamed(hash: string) {
  const dir = join(home, hash)
  await mkdir(dir)
  await writeFile(join(dir, 'main.mjs'), '')
  return { route: 'probe', hash, dir }
}

test('a platform that is pruned leaves the base image to one that builds on it', async () => {
  const [staying, leaving] = [await makeEngine(), await makeEngine()]
  await staying.images.build(await packageNamed('one'), never)
  await leaving.images.build(await packageNamed('two'), never)
  await leaving.cleanUp(true)
  expect(await staying.images.build(await packageNamed('three'), never)).toMatch(/three$/)
})

test('a base image that was removed is rebuilt for the next build', async () => {
  const engine = await makeEngine()
  const docker = new Docker()
  const bases = await docker.listImages({ filters: { reference: ['ryo-faas-base'] } })
  // Only a name is removed: images built on it keep its layers, and containers of other tests the image.
  for (const { RepoTags } of bases) {
    for (const ref of RepoTags ?? []) await docker.getImage(ref).remove({ force: true }).catch(nullIfMissing)
  }
  expect(await engine.images.build(await packageNamed('four'), never)).toMatch(/four$/)
})

test('a build whose base image others remove begins again', async () => {
  const connection = await connectDocker(process.env)
  const engine = await makeEngine(connection)
  const build = connection.docker.buildImage.bind(connection.docker)
  // To remove the image itself would disturb the tests beside this one.
  const missing = 'unable to find image "sha256:0123"'
  const answers = [missing, missing, undefined, 'no space left on device']
  const buildImage = async (...given: Parameters<typeof build>) => {
    const error = answers.shift()
    return error === undefined ? build(...given) : Readable.from([`${JSON.stringify({ error })}\n`])
  }
  Object.assign(connection.docker, { buildImage })
  expect(await engine.images.build(await packageNamed('six'), never)).toMatch(/six$/)
  await expect(engine.images.build(await packageNamed('seven'), never)).rejects.toThrow('no space left on device')
  expect(answers).toEqual([])
})

test('images of a function are built and removed concurrently', async () => {
  const engine = await makeEngine()
  const buildAndRemove = async (name: string) => {
    for (let i = 0; i < ROUNDS; i++)
      await engine.images.remove(await engine.images.build(await packageNamed(`${name}${i}`), never))
  }
  await Promise.all(['a', 'b', 'c'].map(buildAndRemove))
  expect(await engine.images.list()).toEqual([])
})

test('an image that is in use stays', async () => {
  const engine = await makeEngine()
  const image = await engine.images.build(await packageNamed('five'), never)
  const limits = { memoryMb: 64, cpus: 1, pids: 16 }
  const command = ['node', 'main.mjs']
  const spec = { id: 'i1x', route: 'probe', version: 1, image, command, env: {}, secrets: {}, limits }
  await engine.start(spec, never)
  await expect(engine.images.remove(image)).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
  expect((await engine.images.list()).map(({ ref }) => ref)).toEqual([image])
})

furtherTest('a package that asks for another Node has it in its image, from a base image of its own', async () => {
  const engine = await makeEngine()
  await copyFile(process.execPath, join(home, 'other-node'))
  await appendFile(join(home, 'other-node'), '\0')
  const built = await packageNamed('seven')
  const [first, other] = await Promise.all([
    engine.images.build({ ...built, route: 'first' }, never),
    engine.images.build({ ...built, base: 'node@22' }, never),
  ])
  const docker = new Docker()
  const layersOf = async (ref: string) => (await docker.getImage(ref).inspect()).RootFS.Layers?.[0]
  expect(await layersOf(other)).not.toBe(await layersOf(first))
  expect(await engine.surroundings('node@22')).toEqual(await engine.surroundings())
})

test('a package that needs another base image is refused, and nothing is built', async () => {
  const engine = await makeEngine()
  const built = engine.images.build({ ...(await packageNamed('six')), base: 'cobol' }, never)
  await expect(built).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('"cobol"') })
  expect(await engine.images.list()).toEqual([])
})
