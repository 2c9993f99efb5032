/** An agent that runs but does not respond, like one stopped by a signal. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAgentFile, type AgentFile } from '../../src/client/index.ts'
import { isAlive, signalProcess } from '../../src/host/index.ts'
import { TestPlatform } from '../support/platform.ts'

let platform: TestPlatform
let agent: AgentFile
beforeEach(async () => {
  platform = await TestPlatform.make()
  await platform.start('process')
  agent = (await readAgentFile(platform.home))!.agent
  await signalProcess(agent, 'SIGSTOP')
})
afterEach(async () => {
  await signalProcess(agent, 'SIGCONT')
  await platform.remove()
})

test('commands say so, exit at once when interrupted, and stopFaas --force kills the platform', async () => {
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
