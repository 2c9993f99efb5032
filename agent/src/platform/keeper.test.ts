import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { homePaths, readAgentFile, type AgentFile } from '../client/index.ts'
import { isAlive, signalProcess, waitForExit } from '../host/index.ts'
import { keepAgent } from './keeper.ts'

const TIMEOUT_MS = 30_000
let home: string
let abort: AbortController
let keeping: Promise<void>

function keep(hungAfterMs: number): void {
  keeping = keepAgent({
    home,
    command: process.execPath,
    args: [join(inject('entries'), 'platform/keeper-testing.js'), home],
    environment: process.env,
    signal: abort.signal,
    hungAfterMs,
  })
}

/** The announced agent, once it is not `before`. */
async function agentAfter(before?: AgentFile): Promise<AgentFile> {
  let agent: AgentFile | undefined
  const isNew = async () => (agent = (await readAgentFile(home))?.agent) !== undefined && agent.pid !== before?.pid
  await expect.poll(isNew, { timeout: TIMEOUT_MS }).toBe(true)
  return agent!
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ryo-faas-keeper-'))
  const paths = homePaths(home)
  await mkdir(dirname(paths.options), { recursive: true })
  await writeFile(paths.options, '{}')
  await writeFile(paths.token, 'token')
  abort = new AbortController()
})

afterEach(async () => {
  abort.abort()
  await keeping
  const found = await readAgentFile(home)
  if (found && (await signalProcess(found.agent, 'SIGKILL'))) await waitForExit(found.agent, TIMEOUT_MS)
  await rm(home, { recursive: true })
})

test('a dead agent is restarted', async () => {
  keep(60_000)
  const first = await agentAfter()
  await signalProcess(first, 'SIGKILL')
  const second = await agentAfter(first)
  expect(await isAlive(second)).toBe(true)
})

test('a hung agent is killed and replaced; one that recovers is left alone', async () => {
  keep(3_000)
  const first = await agentAfter()
  const asked = async () => (await readFile(join(home, 'asked'), 'utf8').catch(() => '')).split('\n').length - 1
  await expect.poll(asked, { timeout: TIMEOUT_MS }).toBeGreaterThan(0)
  // Shorter than the limit.
  await signalProcess(first, 'SIGSTOP')
  const before = await asked()
  await signalProcess(first, 'SIGCONT')
  await expect.poll(asked, { timeout: TIMEOUT_MS }).toBeGreaterThan(before)
  expect((await readAgentFile(home))!.agent).toEqual(first)

  await signalProcess(first, 'SIGSTOP')
  const second = await agentAfter(first)
  expect([await isAlive(first), await isAlive(second)]).toEqual([false, true])
}, 60_000)
