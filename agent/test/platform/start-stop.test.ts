/** startFaas and stopFaas on a platform that is starting or stopping, and commands where none is running. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { furtherTest } from '../support/further-test.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

let platform: TestPlatform
beforeEach(async () => {
  platform = await TestPlatform.make()
})
afterEach(() => platform.remove())

/** Responds when told to; a function that calls it is in the middle of a call until then. */
async function holdingServer() {
  const held: ServerResponse[] = []
  const server = createServer((_request, response) => held.push(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const release = () => {
    for (const response of held.splice(0)) response.end()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, held, release }
}

/** A platform that is stopping, and cannot finish before its function is released. */
async function stoppingPlatform() {
  const { proxyUrl, parts } = await platform.start('process')
  const holding = await holdingServer()
  const code = `export const slow = async () => { await fetch('${holding.url}'); return new Response('done') }`
  await platform.ok([
    'deploy',
    await writeProject(join(platform.home, 'project'), { slow: { code, options: { instances: 1 } } }),
  ])
  const call = fetch(`${proxyUrl}/functions/slow`)
  await until(async () => holding.held.length > 0 || undefined)
  const stopped = platform.ok(['stopFaas', '--json'])
  await until(async () => (await platform.view()).phase.kind === 'stopping' || undefined)
  return { parts, call, stopped, release: holding.release }
}

test('a new platform starts only after a stopping one has stopped', async () => {
  const { parts, call, stopped, release } = await stoppingPlatform()
  const ports = ['--port', '0', '--agent-port', '0', '--nats-port', '0', '--store-port', '0']
  const starting = platform.spawnCli(['startFaas', '--project', platform.project, '--engine', 'process', ...ports])
  const exited = once(starting, 'exit')
  const [stdout, stderr] = [text(starting.stdout!), text(starting.stderr!)]
  // It has noticed, and waits.
  let told = ''
  starting.stderr!.on('data', (piece: Buffer) => (told += piece.toString()))
  await until(async () => told.includes('waiting for the platform to finish stopping') || undefined)
  expect((await platform.view()).phase.kind).toBe('stopping')

  release()
  expect(await (await call).text()).toBe('done')
  expect(JSON.parse(await stopped)).toMatchObject({ stopped: expect.arrayContaining(['proxy', 'agent']) as unknown })
  expect(await exited, await stderr).toEqual([0, null])
  expect(await stdout).toMatch(/started in/)
  const view = await platform.view()
  expect(view.phase.kind).toBe('ready')
  expect(view.parts[0]!.pid).not.toBe(parts[0]!.pid)
  expect((await platform.details('slow')).state).toBe('running')
})

furtherTest('stopFaas on a stopping platform waits for it, and starts nothing', async () => {
  const { call, stopped, release } = await stoppingPlatform()
  const again = platform.spawnCli(['stopFaas'])
  const exited = once(again, 'exit')
  const stdout = text(again.stdout!)
  await once(again.stderr!, 'data') // It says "stopping".
  release()
  expect((await call).status).toBe(200)
  expect(JSON.parse(await stopped)).toMatchObject({ stopped: expect.arrayContaining(['agent']) as unknown })
  expect(await exited).toEqual([0, null])
  expect(await stdout).toBe('nothing is running\n')
  await expect(platform.view()).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})

furtherTest('started again as soon as stopFaas has responded, it is a new platform', async () => {
  await platform.start('process')
  const stopped = platform.ok(['stopFaas'])
  // The file disappears a moment before the process.
  await until(async () => ((await platform.view().catch(() => undefined)) === undefined ? true : undefined))
  expect((await platform.start('process')).phase.kind).toBe('ready')
  await stopped
})

const HELLO = { hello: { code: `export const hello = () => new Response('started')` } }

test('check works without a platform, and starts none', async () => {
  const file = await writeProject(join(platform.home, 'project'), HELLO)
  expect(await platform.ok(['check', file])).toMatch(/^\w+: (?:web|Node\.js) handler\n1 handler OK/)
  const broken = await writeProject(join(platform.home, 'broken'), { hello: { code: 'export const hello = 1' } })
  expect(await platform.cli(['check', broken])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('hello') as string,
  })
  await expect(platform.view()).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})

// As the first page of the documentation does it, whose commands `pages.test.ts` runs.
furtherTest('deploy starts a platform where none is running', async () => {
  const free = { RYO_FAAS_PORT: '0', RYO_FAAS_AGENT_PORT: '0', RYO_FAAS_NATS_PORT: '0', RYO_FAAS_STORE_PORT: '0' }
  const environment = { ...free, RYO_FAAS_PROJECT: platform.project, RYO_FAAS_ENGINE: 'process' }
  const stopped = await TestPlatform.make(environment)
  onTestFinished(() => stopped.remove())
  const file = await writeProject(join(stopped.home, 'project'), HELLO)
  const { stdout, stderr } = await stopped.cli(['deploy', file])
  expect(stderr).toContain(`Started ryo-faas, project ${platform.project}`)
  const url = /http:\S+\/functions\/hello/.exec(stdout)![0]
  expect(await (await fetch(url)).text()).toBe('started')
})
