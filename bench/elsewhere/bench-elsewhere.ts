/**
 * From a save on this machine to the new answer of a server 20 ms away: a real sshd, to which `server add` brought the
 * platform, behind a relay that holds everything back for 10 ms in each direction.
 */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BIN, TestPlatform } from '../../agent/test/support/platform.ts'
import { SshServer } from '../../agent/test/support/ssh-server.ts'
import { makeProject, type Project } from '../deploy/project.ts'
import { median, quantile, takeTurns } from '../support/figures.ts'
import { makePlatform, untilSettled } from '../support/platform.ts'
import { pause, untilAnswer } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { startRelay } from './relay.ts'

const ONE_WAY_MS = 10
const NAME = 'Hello'
/** Longer than pool and image take after a deploy. */
const REFILL_MS = 2_500

export const elsewhereBench: Bench = {
  name: 'elsewhere',
  title: 'Deploying to a server',
  method: `From a save on this machine to the first new answer of the container on a server ${2 * ONE_WAY_MS} ms away, with check and bundle here. The server is this machine: a sshd behind a relay that delays each direction by ${ONE_WAY_MS} ms; the answer is asked for through a relay of its own. Next to it the same edit with the same platform without a way between, and what the way alone costs: one command over a new connection of ssh. A platform runs on this machine too, as in everyday use. Turns alternate.`,
  run: benchElsewhere,
}

async function benchElsewhere(stage: Stage): Promise<Report> {
  const laptop = await makePlatform(stage)
  await laptop.start('process')
  const there = await makePlatform(stage)
  const config = await distantServer(stage)
  const ports = ['port', 'agent-port', 'nats-port', 'store-port'].flatMap(port => [`--${port}`, '0'])
  const flags = ['--project', there.project, '--engine', 'docker', '--pool', '2', '--no-service', ...ports]
  stage.say('server add')
  await laptop.ok(['server', 'add', 'server', '--name', 'far', '--ssh-config', config, '--home', there.home, ...flags])
  stage.onEnd(() => laptop.cli(['server', 'remove', 'far', '--yes']))

  const direct = (await there.view()).proxyUrl
  const relayed = `http://127.0.0.1:${await startRelay(stage, Number(new URL(direct).port), ONE_WAY_MS)}`
  const project = await makeProject(join(stage.folder, 'project'), NAME)
  const watched = await makeProject(join(stage.folder, 'watched'), 'Watched')
  await laptop.ok(['deploy', project.deployFile, '--server', 'far'])
  await watch(stage, laptop, watched)

  const edit = async (of: Project, at: string, deploy: () => Promise<unknown>): Promise<number> => {
    await untilSettled(there)
    await pause(REFILL_MS)
    const begin = performance.now()
    const text = await of.edit()
    const failure = new AbortController()
    const deploying = deploy().catch((error: unknown) => {
      failure.abort(error)
      throw error
    })
    const [answered] = await Promise.all([untilAnswer(at, text, { signal: failure.signal }), deploying])
    return answered - begin
  }
  const path = `/functions/${NAME.toLowerCase()}`
  const ways = [
    {
      name: 'ours, deploy --watch --server',
      measure: () => edit(watched, `${relayed}/functions/watched`, async () => undefined),
    },
    {
      name: 'ours, deploy --server',
      measure: () =>
        edit(project, relayed + path, () => laptop.ok(['deploy', project.deployFile, '--server', 'far', '--replace'])),
    },
    {
      name: 'the same platform, deploy on its machine',
      measure: () => edit(project, direct + path, () => there.ok(['deploy', project.deployFile, '--replace'])),
    },
    { name: 'ssh server true', measure: () => sshAlone(config) },
  ]
  for (const { measure } of ways) await measure()
  const results = await takeTurns(ways, stage.quick ? 2 : 9, ({ name, measure }, round) => {
    stage.say(`edit ${round + 1}: ${name}`)
    return measure()
  })
  const local = median(results[2]!)
  return {
    tables: [
      {
        head: ['', 'ms', 'p90', '× without a way'],
        rows: ways.map(({ name }, index) => [
          name,
          figure(median(results[index]!)),
          figure(quantile(results[index]!, 0.9)),
          times(median(results[index]!) / local),
        ]),
      },
    ],
    goals: ways.slice(0, 2).map(({ name }, index) => ({
      what: `save to answer, ${name}`,
      ...{ measured: median(results[index]!), unit: 'ms' as const, bound: { kind: 'at most' as const, limit: 1_000 } },
    })),
  }
}

/** @returns the configuration in which `server` is a real sshd behind the relay */
async function distantServer(stage: Stage): Promise<string> {
  const ssh = await SshServer.start()
  stage.onEnd(() => ssh.remove())
  const text = await readFile(ssh.config, 'utf8')
  const port = /Port (\d+)/.exec(text)![1]!
  const relay = await startRelay(stage, Number(port), ONE_WAY_MS)
  const config = join(stage.folder, 'ssh_config')
  await writeFile(config, text.replace(`Port ${port}`, `Port ${relay}\n  HostKeyAlias [127.0.0.1]:${port}`))
  return config
}

/** `deploy --watch` until the stage ends; resolves when it watches. */
async function watch(stage: Stage, laptop: TestPlatform, { deployFile }: Project): Promise<void> {
  const child = spawn(process.execPath, [BIN, 'deploy', deployFile, '--watch', '--server', 'far'], {
    env: laptop.environment,
    cwd: laptop.home,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  stage.onEnd(async () => {
    child.kill('SIGINT')
    await ended
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', piece => {
        said += String(piece)
        if (said.includes('Watching')) resolve()
      })
    }
    void ended.then(() => reject(new Error(`deploy --watch ended:\n${said}`)))
  })
}

async function sshAlone(config: string): Promise<number> {
  const begin = performance.now()
  const child = spawn('ssh', ['-F', config, 'server', 'true'], { stdio: 'ignore' })
  await new Promise(resolve => child.once('exit', resolve))
  return performance.now() - begin
}
