import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RyoFaasError } from '../contract/index.ts'
import { DockerService } from '../docker/index.ts'
import { chooseEngine, engineHelp, type EngineChoice } from './engine-choice.ts'
import type { Engine } from './engine.ts'
import type { EngineType } from './engine-type.ts'

// Nothing answers there.
beforeEach(() => void vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1'))
afterEach(() => void vi.unstubAllEnvs())

const choice = (engine: string, more: Partial<EngineChoice> = {}): EngineChoice => ({
  ...{ engine, project: 'rfat', home: '/nowhere', nodePath: process.execPath, environment: process.env },
  ...{ egress: 'internet', baseImage: 'auto', docker: new DockerService(process.env), runsOn: undefined },
  ...more,
})

test('where Docker is not responding, functions run as processes, with the reason', async () => {
  const engine = await chooseEngine(choice('auto'))
  expect(engine.kind).toBe('process')
  expect(engine.note).toMatch(/127\.0\.0\.1:1/)
  expect(engine.isolation.warning).toMatch(/no isolation/)
})

test('unless it was requested by name; then the alternatives are named', async () => {
  await expect(chooseEngine(choice('docker'))).rejects.toMatchObject({
    code: 'DOCKER_UNREACHABLE',
    hint: expect.stringMatching(/systemctl start docker.*--engine process/) as string,
  })
})

test('or instances are already running there: nothing is started on another engine', async () => {
  await expect(chooseEngine(choice('auto', { runsOn: 'docker' }))).rejects.toMatchObject({
    code: 'DOCKER_UNREACHABLE',
    message: expect.stringContaining('running on the engine "docker"') as string,
    hint: expect.stringContaining('startFaas --engine process') as string,
  })
  expect((await chooseEngine(choice('process', { runsOn: 'docker' }))).kind).toBe('process')
})

test('network restrictions are enforced, or nothing is started', async () => {
  await expect(chooseEngine(choice('process', { egress: 'none' }))).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: '--egress none cannot be enforced with --engine process',
  })
  // The reason of the engine that could enforce it.
  await expect(chooseEngine(choice('auto', { egress: 'none' }))).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' })
})

function engineType(kind: string, why?: string): EngineType {
  return {
    kind,
    help: `${kind} (of a test)`,
    detect: async () =>
      why === undefined ? { kind: 'usable' } : { kind: 'unusable', why: new RyoFaasError('ENGINE_FAILED', why) },
    create: async (_context, note) => ({ kind, note }) as Engine,
  }
}

test('the first of the registry that is usable is chosen, with the reasons for those passed over', async () => {
  const registry = [engineType('one', 'no one'), engineType('two', 'no two'), engineType('three'), engineType('four')]
  expect(await chooseEngine(choice('auto'), registry)).toMatchObject({ kind: 'three', note: 'no one; no two' })
  expect(await chooseEngine(choice('four'), registry)).toMatchObject({ kind: 'four', note: 'chosen by --engine four' })
  expect(engineHelp(registry.slice(2))).toBe('auto, three (of a test) or four (of a test)')
  await expect(chooseEngine(choice('five'), registry)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    hint: 'Available: one, two, three or four.',
  })
})
