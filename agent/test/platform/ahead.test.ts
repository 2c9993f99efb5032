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
import { FLAGS_AT_STDIN, REFUSED } from '../../src/platform/given-flags.ts'
import { PlatformOptions } from '../../src/platform/options.ts'

const AGENT = fileURLToPath(new URL('../../bundle/main/agent.js', import.meta.url))
const WAITING = ['dispatcher', 'dispatcher-2', 'proxy', 'store']

/** A home whose NATS never says that it is there, so that an agent waits for it. */
async function homeWithoutNats(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'rfa-ahead-'))
  onTestFinished(async () => {
    // What an agent that was killed leaves: the next one would find it.
    const saved = await readFile(join(home, 'run', 'nats.json'), 'utf8').catch(() => undefined)
    if (saved !== undefined) process.kill((JSON.parse(saved) as { identity: { pid: number } }).identity.pid, 'SIGKILL')
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

/** An agent that is given flags by whoever starts it, in a home that has no options. @param flags undefined: they never come */
async function startWithFlags(flags: object | undefined) {
  const home = await homeWithoutNats()
  const { natsServer } = JSON.parse(await readFile(homePaths(home).options, 'utf8')) as PlatformOptions
  await rm(homePaths(home).options)
  const agent = spawn(process.execPath, [AGENT, home, FLAGS_AT_STDIN], { stdio: ['pipe', 'ignore', 'ignore'] })
  onTestFinished(() => void agent.kill('SIGKILL'))
  agent.stdin.end(flags && JSON.stringify({ engine: 'process', natsServer, agentPort: '0', ...flags }))
  return { home, agent, exited: once(agent, 'exit') }
}

test('an agent that is given flags writes down what they mean, and parts are started ahead as they say', async () => {
  const { home, agent, exited } = await startWithFlags({ dispatchers: '2', port: '0' })
  await expect.poll(async () => (await processesOf(home)).length).toBe(WAITING.length)
  await expect.poll(async () => (await readdir(join(home, 'run'))).includes('nats.json')).toBe(true)
  const written = JSON.parse(await readFile(homePaths(home).options, 'utf8')) as PlatformOptions
  expect(written).toMatchObject({ engine: 'process', dispatchers: 2, port: 0, project: 'rfa' })
  agent.kill('SIGKILL')
  await exited
  await expect.poll(() => processesOf(home)).toEqual([])
})

test.each([
  ['one that it does not know', { prot: '1' }],
  ['a value that is none', { port: 'x' }],
  ['another Node', { node: '/bin/sh' }],
])('it refuses %s: nothing is written, and nothing is left', async (_, flags) => {
  const { home, exited } = await startWithFlags(flags)
  expect(await exited).toEqual([REFUSED, null])
  expect((await readdir(join(home, 'run'))).filter(name => /options|lock/.test(name))).toEqual([])
  await expect.poll(() => processesOf(home)).toEqual([])
})

test('one whose starter is gone before it has said anything ends, and nothing is left', async () => {
  const { home, exited } = await startWithFlags(undefined)
  expect(await exited).toEqual([0, null])
  expect(await readdir(join(home, 'run'))).toEqual([])
})
