/** Containers are removed behind the agent's back, and others get their addresses. */
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAgentFile } from '../../src/client/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

const docker = new Docker()
let platform: TestPlatform
let url: string

beforeAll(async () => {
  platform = await TestPlatform.make()
  url = (await platform.start('docker')).proxyUrl
})
afterAll(() => platform.remove())

const saying = (name: string) => ({ code: `export const ${name} = () => new Response('${name.toUpperCase()}')\n` })

/** Response to a call: the function's own word, or the platform's code. */
async function ask(name: string): Promise<string> {
  const response = await fetch(`${url}/functions/${name}`)
  return response.headers.get('x-ryo-faas-error') ?? (await response.text())
}

const addressOf = async (container: Docker.Container) =>
  (await container.inspect()).NetworkSettings.Networks[`${platform.project}-net`]!.IPAddress

test('a call is never handled by another function that has taken over the container’s address', async () => {
  const file = await writeProject(join(platform.home, 'project'), { alpha: saying('alpha'), delta: saying('delta') })
  await platform.ok(['deploy', file, '--only', 'alpha'])
  await platform.ok(['deploy', file, '--only', 'delta'])
  const [alpha, delta] = ['alpha', 'delta'].map(name => docker.getContainer(`${platform.project}-${name}`))
  const address = await addressOf(alpha!)
  const { pid } = (await readAgentFile(platform.home))!.agent

  // An agent that is down for a moment learns of it late.
  process.kill(pid, 'SIGSTOP')
  try {
    await alpha!.remove({ force: true })
    const network = docker.getNetwork(`${platform.project}-net`)
    await network.disconnect({ Container: delta!.id })
    await network.connect({ Container: delta!.id })
    // Docker assigns the lowest free address.
    expect(await addressOf(delta!)).toBe(address)
    const answers = Promise.all(Array.from({ length: 20 }, () => ask('alpha')))
    await delay(0)
    process.kill(pid, 'SIGCONT')
    for (const answer of await answers) expect(answer).toMatch(/^(ALPHA|FUNCTION_UNAVAILABLE)$/)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await until(async () => ((await ask('alpha')) === 'ALPHA' && (await ask('delta')) === 'DELTA') || undefined)
  for (let i = 0; i < 40; i += 1) expect(await ask(i % 2 ? 'alpha' : 'delta')).toBe(i % 2 ? 'ALPHA' : 'DELTA')
  expect((await platform.details('alpha')).instances).toHaveLength(1)
})

test('a container removed by hand is replaced at once, and a later deploy does not bring it back into the routes', async () => {
  const before = (await platform.details('alpha')).instances[0]!.id
  await docker.getContainer(`${platform.project}-alpha`).remove({ force: true })
  await until(async () => {
    const { instances } = await platform.details('alpha')
    return (instances.length === 1 && instances[0]!.id !== before) || undefined
  })
  await platform.ok(['deploy', join(platform.home, 'project', 'deploy.json')])
  for (let i = 0; i < 40; i += 1) expect(await ask(i % 2 ? 'alpha' : 'delta')).toBe(i % 2 ? 'ALPHA' : 'DELTA')
  expect((await platform.details('alpha')).instances.map(({ id }) => id)).not.toContain(before)
})
