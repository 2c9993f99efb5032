import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { chooseEngine } from './engine-choice.ts'
import { PlatformOptions } from './options.ts'

const options = (engine: 'auto' | 'docker' | 'process') => PlatformOptions.parse({ engine })
const context = { home: '/nowhere', nodePath: process.execPath, environment: process.env, runsOn: undefined }

// Nobody answers there.
beforeEach(() => void vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1'))
afterEach(() => void vi.unstubAllEnvs())

test('where Docker does not answer, functions run as processes, and why is told', async () => {
  const { engine } = await chooseEngine(options('auto'), context)
  expect(engine.kind).toBe('process')
  expect(engine.note).toMatch(/127\.0\.0\.1:1.*no isolation/)
})

test('unless it was asked for by name', async () => {
  await expect(chooseEngine(options('docker'), context)).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' })
})

test('or what runs already runs there: nothing is started beside it', async () => {
  const inDocker = { ...context, runsOn: 'docker' } as const
  await expect(chooseEngine(options('auto'), inDocker)).rejects.toMatchObject({
    code: 'DOCKER_UNREACHABLE',
    message: expect.stringContaining('run in Docker') as string,
  })
  expect((await chooseEngine(options('process'), inDocker)).engine.kind).toBe('process')
})
