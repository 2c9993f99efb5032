import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { homePaths } from '../client/index.ts'
import { Agent } from './agent.ts'
import { PlatformOptions } from './options.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-agent-'))
  onTestFinished(() => rm(home, { recursive: true }))
  await mkdir(join(home, 'run'))
  await writeFile(homePaths(home).options, '{}')
})

const open = (options: Partial<PlatformOptions> = {}) =>
  Agent.open({
    home,
    version: '0',
    options: PlatformOptions.parse({ agentPort: 0, ...options }),
    environment: {},
    runtimeDir: '/nowhere',
    logger: pino({ enabled: false }),
    onShutdown: () => undefined,
    onEnd: () => undefined,
  })
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

test('until the platform is ready the agent shows itself, and refuses what needs the platform', async () => {
  const agent = await open({ engine: 'process' })
  const { engine, phase, parts } = agent.view()
  expect({ engine, phase, parts: parts.map(({ name }) => name) }).toEqual({
    engine: 'process',
    phase: { kind: 'starting', doing: 'starting' },
    parts: ['agent'],
  })
  for (const ask of [() => agent.deployer(), () => agent.traces()]) {
    expect(ask).toThrow(
      expect.objectContaining({ code: 'NOT_RUNNING', message: 'the platform is starting (starting)' }),
    )
  }
  expect((await agent.metrics.page('prometheus')).body).toContain('process_')
  await agent.close()
})

test('a first start that fails takes itself back; what an earlier agent left running stays', async () => {
  const { options, agentFile } = homePaths(home)
  const failing = { node: '/nowhere/node', engine: 'process' }
  const first = await open(failing)
  await expect(first.start()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await first.close()
  expect([first.view().phase.kind, await isThere(options), await isThere(agentFile)]).toEqual(['failed', false, false])

  await writeFile(options, '{}')
  await writeFile(agentFile, '{}')
  const second = await open(failing)
  await expect(second.start()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await second.close()
  expect([await isThere(options), await isThere(agentFile)]).toEqual([true, true])
})

test('a home that cannot be opened for the first time is left as one that was never started', async () => {
  await writeFile(join(home, 'state.json'), 'damaged')
  await expect(open()).rejects.toThrow()
  expect(await isThere(homePaths(home).options)).toBe(false)
})
