/** Processes of parts that an agent starts before it has loaded its own code. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { homePaths } from '../../src/client/index.ts'
import { PlatformOptions } from '../../src/platform/options.ts'

const AGENT = fileURLToPath(new URL('../../bundle/main/agent.js', import.meta.url))
const WAITING = ['dispatcher', 'dispatcher-2', 'keeper', 'proxy', 'store']

/** A home whose NATS never says that it is there, so that an agent waits for it. */
async function homeWithoutNats(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'rfa-ahead-'))
  onTestFinished(async () => {
    // What an agent that was killed leaves: the next one would find it.
    const nats = JSON.parse(await readFile(join(home, 'run', 'nats.json'), 'utf8')) as { identity: { pid: number } }
    process.kill(nats.identity.pid, 'SIGKILL')
    await rm(home, { recursive: true })
  })
  const natsServer = join(home, 'nats-server')
  await writeFile(natsServer, '#!/bin/sh\nexec sleep 60\n', { mode: 0o700 })
  const options = PlatformOptions.parse({ engine: 'process', natsServer, agentPort: 0, dispatchers: 2 })
  await mkdir(join(home, 'run'))
  await writeFile(homePaths(home).options, JSON.stringify(options))
  return home
}

/** Command lines of processes of this home, besides NATS. */
async function processesOf(home: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args='])
  return stdout.split('\n').filter(line => line.includes(home) && !/nats|bundle\/main\/agent/.test(line))
}

test('they wait for what they need, and an agent that is killed before leaves none of them', async () => {
  const home = await homeWithoutNats()
  const agent = spawn(process.execPath, [AGENT, home], { stdio: 'ignore' })
  const exited = once(agent, 'exit')
  onTestFinished(() => void agent.kill('SIGKILL'))
  await expect.poll(async () => (await processesOf(home)).length).toBe(WAITING.length)
  // NATS is the first part: none of the others has begun.
  await expect.poll(async () => (await readdir(join(home, 'run'))).includes('nats.json')).toBe(true)
  expect((await readdir(join(home, 'run'))).filter(name => WAITING.includes(name.replace('.json', '')))).toEqual([])
  agent.kill('SIGKILL')
  await exited
  await expect.poll(() => processesOf(home)).toEqual([])
})

test('where an earlier agent may have left parts, nothing is started ahead', async () => {
  const home = await homeWithoutNats()
  await writeFile(homePaths(home).agentFile, '{}')
  const agent = spawn(process.execPath, [AGENT, home], { stdio: 'ignore' })
  const exited = once(agent, 'exit')
  onTestFinished(() => void agent.kill('SIGKILL'))
  await expect.poll(async () => (await readdir(join(home, 'run'))).includes('nats.json')).toBe(true)
  expect(await processesOf(home)).toEqual([])
  agent.kill('SIGKILL')
  await exited
})
