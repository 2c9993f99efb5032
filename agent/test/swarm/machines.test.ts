/** The machines of the tests are machines: they are lost as a whole, come back, and leave nothing. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Machines, type Machine } from '../support/machines.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)

test('a machine that is killed is lost to the others, and comes back', async () => {
  const machines = await Machines.start(2)
  const [manager, worker] = machines.all as [Machine, Machine]
  const stateOf = async () => {
    const nodes = (await manager.docker.listNodes()) as {
      Description: { Hostname: string }
      Status: { State: string }
    }[]
    return nodes.find(({ Description }) => Description.Hostname === worker.name)?.Status.State
  }
  const untilState = (wanted: string) => until(async () => (await stateOf()) === wanted || undefined)
  try {
    await machines.makeSwarm()
    await untilState('ready')
    await machines.kill(worker)
    await untilState('down')
    await machines.boot(worker)
    await untilState('ready')
  } finally {
    await machines.stop()
  }
  expect(existsSync(machines.folder)).toBe(false)
  const { stdout } = await run('ip', ['netns', 'list'])
  expect(stdout).not.toContain('rfm')
})
