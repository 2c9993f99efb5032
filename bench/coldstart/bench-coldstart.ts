/**
 * From nothing to the first answer of a function whose code is there: out of the pool, and new. For comparison, the
 * least that Docker and Node take: `docker create`, `docker start` and a bare server, on the same image.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENV } from '../../runtime/src/protocol/index.ts'
import { connectDocker } from '../../agent/src/docker/index.ts'
import { DockerEngine } from '../../agent/src/engines/docker/docker-engine.ts'
import type { Engine, Instance, InstanceSpec } from '../../agent/src/engines/index.ts'
import { poolSizeOf } from '../../agent/src/engines/pool/pool-size.ts'
import { ProcessEngine } from '../../agent/src/engines/process/process-engine.ts'
import { bareServer, buildFunction } from '../support/built-function.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { functionNode, runtimeDir } from '../support/places.ts'
import { pause, textOf, until } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const never = new AbortController().signal
const LIMITS = { memoryMb: 256, cpus: 1, pids: 128 }

export const coldstartBench: Bench = {
  name: 'coldstart',
  title: 'Start of an instance',
  method:
    'From the request to the engine to the first answer of the function at its own address; package and image are there, the pool is full. By hand: a bare node:http server in a container of the same base image with the same limits, through the Docker API.',
  run: benchColdstart,
}

interface Candidate {
  name: string
  /** Returns milliseconds, and leaves nothing. */
  measure(): Promise<number>
}

async function benchColdstart(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 4 : 25
  const [dockerWays, processWays] = [await dockerCandidates(stage), await processCandidates(stage)]
  const all = [...dockerWays, ...processWays]
  const results = await takeTurns(all, rounds, ({ name, measure }, round) => {
    stage.say(`start ${round + 1} of ${rounds}: ${name}`)
    return measure()
  })
  const rows = all.map(({ name }, index) => [
    name,
    figure(median(results[index]!)),
    figure(quantile(results[index]!, 0.99)),
    times(ratio(results[index]!, results[0]!)),
  ])
  return {
    tables: [{ head: ['', 'ms', 'p99', '× by hand'], rows }],
    goals: [
      {
        what: 'new container, ours to docker create, start and bare boot',
        measured: ratio(results[1]!, results[0]!),
        unit: '×',
        bound: { kind: 'at most', limit: 1.15 },
      },
      {
        what: 'container out of the pool, median',
        measured: median(results[2]!),
        unit: 'ms',
        bound: { kind: 'at most', limit: 20 },
      },
      {
        what: 'container out of the pool, p99',
        measured: quantile(results[2]!, 0.99),
        unit: 'ms',
        bound: { kind: 'at most', limit: 60 },
      },
    ],
  }
}

async function dockerCandidates(stage: Stage): Promise<Candidate[]> {
  const project = `rfab${randomBytes(4).toString('hex')}`
  const connection = await connectDocker(process.env)
  const home = join(stage.folder, 'docker')
  const baseImage = { kind: 'assemble', nodePath: functionNode } as const
  const engine = new DockerEngine({
    ...connection,
    project,
    home,
    baseImage,
    pool: poolSizeOf({ pool: 1, runtimeDir }),
  })
  const bare = join(stage.folder, 'bare.cjs')
  await writeFile(bare, bareServer('0.0.0.0'), { mode: 0o644 })
  const ours = await candidatesOf(stage, engine)
  const Image = await engine.images.baseId()
  const byHand = async (): Promise<number> => {
    const begin = performance.now()
    const container = await connection.docker.createContainer({
      Image,
      Cmd: ['node', '/bare.cjs'],
      Env: ['PORT=6000'],
      User: '65532:65532',
      HostConfig: {
        ...{ NetworkMode: `${project}-net`, ReadonlyRootfs: true, CapDrop: ['ALL'], PidsLimit: LIMITS.pids },
        ...{ Memory: LIMITS.memoryMb * 1024 ** 2, NanoCpus: LIMITS.cpus * 1e9, Binds: [`${bare}:/bare.cjs:ro`] },
      },
    })
    await container.start()
    const { NetworkSettings } = await container.inspect()
    const elapsedMs = (await answered(NetworkSettings.Networks[`${project}-net`]!.IPAddress, 6000)) - begin
    await container.remove({ force: true })
    return elapsedMs
  }
  return [{ name: 'docker create, docker start, bare node:http', measure: byHand }, ...ours]
}

async function processCandidates(stage: Stage): Promise<Candidate[]> {
  const home = join(stage.folder, 'process')
  const pool = poolSizeOf({ pool: 1, runtimeDir })
  const engine = new ProcessEngine({ project: 'bench', home, nodePath: functionNode, baseEnv: {}, note: '', pool })
  return candidatesOf(stage, engine)
}

async function candidatesOf(stage: Stage, engine: Engine): Promise<Candidate[]> {
  await engine.prepare(() => undefined)
  stage.onEnd(() => engine.cleanUp(true).then(() => engine.close()))
  const written = await buildFunction(stage.folder, 'node')
  const built = { route: 'hello', hash: 'h1', ...written }
  const image = await engine.images!.build(built, never)
  const specOf = (): InstanceSpec => {
    const needs = engine.commandNeeds({ limits: LIMITS })
    const flags = needs.memoryMb === undefined ? [] : [`--max-old-space-size=${needs.memoryMb}`]
    const id = randomBytes(5).toString('hex')
    const command = ['node', ...flags, `${engine.codeFolderOf(built)}/${written.entry}`]
    const env = { [ENV.name]: 'Hello', [ENV.instance]: id, NODE_ENV: 'production' }
    return { id, route: 'hello', version: 1, image, command, env, secrets: {}, limits: LIMITS }
  }
  const measured = async (start: () => Promise<Instance>): Promise<number> => {
    const begin = performance.now()
    const { id, state } = await start()
    if (state.kind !== 'running') throw new Error('it is not running')
    const elapsedMs = (await answered(state.address.host, state.address.port)) - begin
    await engine.stop(id, 0)
    return elapsedMs
  }
  engine.pool!.open([specOf()])
  return [
    { name: `ours, ${engine.kind}, new`, measure: () => measured(() => engine.start(specOf(), never)) },
    {
      name: `ours, ${engine.kind}, out of the pool`,
      measure: () =>
        until(async () => {
          // Longer than it takes to begin another one and let it boot.
          await pause(1_500)
          return measured(async () => {
            const taken = await engine.pool!.take(specOf(), built, never)
            if (taken.kind === 'none') throw new Error(taken.why)
            return taken.instance
          })
        }),
    },
  ]
}

async function answered(host: string, port: number): Promise<number> {
  while ((await textOf(`http://${host}:${port}/`)) === undefined) await pause(1)
  return performance.now()
}
