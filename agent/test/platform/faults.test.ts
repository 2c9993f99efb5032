/** Parts that die, functions that die, and a platform that heals itself. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { readAgentFile } from '../../src/client/index.ts'
import type { PartView, PlatformView } from '../../src/contract/index.ts'
import { isAlive, signalProcess } from '../../src/host/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { sampleOf } from '../support/whole-suite.ts'

const HELLO = `export const hello = () => new Response('hello')`

describe('killed parts', () => {
  let platform: TestPlatform
  let view: PlatformView
  beforeAll(async () => {
    platform = await TestPlatform.make()
    view = await platform.start('process')
    await platform.ok([
      'deploy',
      await writeProject(join(platform.home, 'project'), { hello: { code: HELLO, options: { instances: 1 } } }),
    ])
  })
  afterAll(() => platform.remove())

  const hello = async () => (await fetch(`${view.proxyUrl}/functions/hello`)).text()
  const partOf = (seen: PlatformView, name: PartView['name']) => seen.parts.find(part => part.name === name)!

  for (const name of ['proxy', 'nats', 'keeper', 'dispatcher'] as const) {
    test(`${name} comes back by itself, at its old address`, async () => {
      const before = partOf(await platform.view(), name)
      process.kill(before.pid!, 'SIGKILL')
      const after = await until(async () => {
        const part = partOf(await platform.view(), name)
        return part.state === 'running' && part.pid !== before.pid ? part : undefined
      })
      // The dispatcher only has a port for its metrics, and any free one will do.
      if (name !== 'dispatcher') expect(after.address).toBe(before.address)
      expect(after.restarts).toBe(before.restarts + 1)
      expect(await hello()).toBe('hello')
    })
  }

  test('a proxy that comes back without an agent serves its last routes', async () => {
    const { parts } = await platform.view()
    const pidOf = (name: PartView['name']) => parts.find(part => part.name === name)!.pid!
    // Without its keeper the agent stays dead until it is started by hand.
    for (const name of ['keeper', 'agent', 'proxy'] as const) process.kill(pidOf(name), 'SIGKILL')
    expect(await platform.ok(['startFaas'])).toMatch(/started|already running/)
    expect(await hello()).toBe('hello')
    view = await platform.view()
    expect(view.parts.filter(({ state }) => state !== 'running')).toEqual([])
  })

  test('an agent that is killed repeatedly is restarted each time', async () => {
    for (let round = 0; round < 3; round++) {
      const { pid } = JSON.parse(await readFile(join(platform.home, 'agent.json'), 'utf8')) as { pid: number }
      process.kill(pid, 'SIGKILL')
      await until(async () => {
        const found = await platform.view().catch(() => undefined)
        return (found?.phase.kind === 'ready' && found.parts[0]!.pid !== pid) || undefined
      })
      expect(await hello()).toBe('hello')
    }
    await expect.poll(() => platform.details('hello')).toMatchObject({ state: 'running', version: 1 })
  })

  test('two startFaas at the same time start one platform', async () => {
    await platform.ok(['stopFaas'])
    const [one, two] = await Promise.all([platform.start('process'), platform.start('process')])
    expect(one.parts[0]!.pid).toBe(two.parts[0]!.pid)
    view = one
    expect(await hello()).toBe('hello')
  })

  test('two deploys at the same time both succeed, and the last one serves', async () => {
    const file = await writeProject(join(platform.home, 'project'), {
      hello: { code: `export const hello = () => new Response('both')` },
    })
    await Promise.all([platform.ok(['deploy', file]), platform.ok(['deploy', file])])
    expect(await hello()).toBe('both')
    expect(await platform.details('hello')).toMatchObject({ version: 2, desiredInstances: 1 })
  })

  test('of an agent that runs but does not respond commands say so, and stopFaas --force kills the platform', async () => {
    const { agent } = (await readAgentFile(platform.home))!
    await signalProcess(agent, 'SIGSTOP')
    onTestFinished(async () => void (await signalProcess(agent, 'SIGCONT')))
    const { code, stderr } = await platform.cli(['details'])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/the agent at http.* is not responding.*NOT_RUNNING/) as string,
    ])

    const interrupted = platform.spawnCli(['details'])
    const exited = once(interrupted, 'exit')
    const said = text(interrupted.stderr!)
    await new Promise(resolve => interrupted.once('spawn', resolve))
    interrupted.kill('SIGINT')
    expect([(await exited)[1] === 'SIGINT' || /cancelled/.test(await said)]).toEqual([true])

    const refused = await platform.cli(['stopFaas'])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('stopFaas --force') as string])
    expect(await isAlive(agent)).toBe(true)

    const { stopped } = JSON.parse(await platform.ok(['stopFaas', '--force', '--json'])) as { stopped: string[] }
    expect(stopped).toEqual(expect.arrayContaining(['agent', 'keeper', 'nats', 'proxy', 'store', 'dispatcher']))
    expect(await isAlive(agent)).toBe(false)
    expect(await platform.ok(['stopFaas'])).toBe('nothing is running\n')
  })
})

for (const engine of sampleOf(['docker', 'process'])) {
  describe(`functions that die, on the ${engine} engine`, () => {
    let platform: TestPlatform
    let proxyUrl: string
    beforeAll(async () => {
      platform = await TestPlatform.make()
      proxyUrl = (await platform.start(engine)).proxyUrl
      const file = await writeProject(join(platform.home, 'project'), {
        greedy: {
          code: `const hoard: Buffer[] = []
            export const greedy = (request: Request) => {
              if (new URL(request.url).pathname === '/eat') setInterval(() => hoard.push(Buffer.alloc(16e6, 1)), 40)
              return new Response('alive')
            }`,
          options: { memoryMb: 128 },
        },
        fragile: {
          code: `export const fragile = (request: Request) => {
              if (new URL(request.url).pathname === '/exit') process.exit(9)
              if (new URL(request.url).pathname === '/throw') throw new Error('on line four')
              return new Response('alive')
            }`,
        },
        modest: { code: `export const modest = () => new Response('alive')` },
      })
      await platform.ok(['deploy', file])
    })
    afterAll(() => platform.remove())

    const ask = async (path: string) => {
      const response = await fetch(`${proxyUrl}/functions/${path}`)
      return { status: response.status, code: response.headers.get('x-ryo-faas-error'), body: await response.text() }
    }

    test('one that allocates too much dies alone, is restarted, and the reason is shown', async () => {
      const neighbours = (await platform.details('modest')).instances
      await ask('greedy/eat')
      const details = await until(async () => {
        const found = await platform.details('greedy')
        return found.lastExit && found.state === 'running' ? found : undefined
      })
      expect(details.lastExit!.reason).toMatch(/out of memory \(limit 128 MB\)/)
      expect(await ask('greedy')).toMatchObject({ status: 200, body: 'alive' })
      expect((await platform.details('modest')).instances).toEqual(neighbours)
    })

    test('a call that kills its instance gets 502, and the next one is served by a new instance', async () => {
      const posted = await fetch(`${proxyUrl}/functions/fragile/exit`, { method: 'POST' })
      expect([posted.status, posted.headers.get('x-ryo-faas-error')]).toEqual([502, 'FUNCTION_CRASHED'])
      // One that reaches the dying instance may have run, and gets 502 as well.
      await until(async () => (await ask('fragile')).body === 'alive' || undefined)
      await expect.poll(async () => (await platform.details('fragile')).lastExit).toMatchObject({ code: 9 })
    })

    test('a thrown error costs one call, and its stack shows the TypeScript line', async () => {
      expect(await ask('fragile/throw')).toMatchObject({ status: 500, code: 'FUNCTION_ERROR' })
      expect(await ask('fragile')).toMatchObject({ status: 200 })
      const logs = await until(async () => {
        const printed = await platform.ok(['logs', 'fragile'])
        return printed.includes('on line four') ? printed : undefined
      })
      expect(logs).toMatch(/fragile\/main\.ts:3:\d+|main\.ts:3:\d+/)
    })

    test('one that keeps dying is restarted at growing intervals and shown as failing', async () => {
      for (let death = 0; death < 4; death++) await fetch(`${proxyUrl}/functions/fragile/exit`, { method: 'POST' })
      const seen = await platform.details('fragile')
      expect(['failing', 'starting', 'running']).toContain(seen.state)
      await until(async () => (await platform.details('fragile')).state === 'running' || undefined)
      expect(await ask('fragile')).toMatchObject({ status: 200 })
    })

    test('stopFaas in the middle of a deploy undoes it and leaves nothing', async () => {
      const client = await platform.client()
      const instances = async () =>
        (await client.call('resources', {})).resources.filter(({ type }) => type === 'instance')
      const before = (await instances()).length
      const code = `await new Promise(() => setInterval(() => {}, 1000))\n${HELLO}`
      const file = await writeProject(join(platform.home, 'never'), { hello: { code } })
      const deploying = platform.cli(['deploy', file])
      await until(async () => (await instances()).length > before || undefined)
      await platform.ok(['stopFaas', '--prune', '--yes'])
      expect((await deploying).code).toBe(1)
      const filters = { label: [`ryo-faas=${platform.project}`] }
      expect(await new Docker().listContainers({ all: true, filters })).toEqual([])
      expect(await new Docker().listImages({ filters })).toEqual([])
    })
  })
}

describe('NATS as a container', () => {
  let platform: TestPlatform
  const image = `rfat-nats-${process.pid}:1`
  const docker = new Docker()

  beforeAll(async () => {
    platform = await TestPlatform.make()
    await importNatsImage(docker, image)
  })
  afterAll(async () => {
    await platform.remove()
    await docker.getImage(image).remove({ force: true })
  })

  test('runs if no nats-server is installed, is restarted, and leaves nothing', async () => {
    const view = await platform.start('docker', ['--nats-server', 'image', '--nats-image', image])
    const nats = view.parts.find(({ name }) => name === 'nats')!
    expect(nats).toMatchObject({ state: 'running', note: `JetStream on disk, container ${platform.project}.nats` })
    const container = docker.getContainer(`${platform.project}.nats`)
    process.kill((await container.inspect()).State.Pid, 'SIGKILL')
    await until(
      async () =>
        ((await container.inspect()).RestartCount > 0 && (await container.inspect()).State.Running) || undefined,
    )
    expect(await platform.ok(['stopFaas', '--prune', '--yes'])).toMatch(/nats/)
    expect(await docker.listContainers({ all: true, filters: { label: [`ryo-faas=${platform.project}`] } })).toEqual([])
  })
})

/** An image of this machine's own nats-server and its libraries, because tests cannot pull images. */
async function importNatsImage(docker: Docker, image: string): Promise<void> {
  const server = '/usr/sbin/nats-server'
  const { stdout } = await promisify(execFile)('ldd', [server]).catch(() => ({ stdout: '' }))
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(match => match[1]!)
  const archive = pack()
  for (const path of [server, ...libraries]) archive.entry({ name: path.slice(1), mode: 0o755 }, await readFile(path))
  archive.finalize()
  const [repo, tag] = image.split(':') as [string, string]
  const stream = await docker.importImage(archive as unknown as NodeJS.ReadableStream, { repo, tag })
  await new Promise<void>((resolve, reject) =>
    docker.modem.followProgress(stream, error => (error ? reject(error) : resolve())),
  )
}
