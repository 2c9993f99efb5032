/** What only the process engine has to do; the rest is in the contract of all engines. */
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ENV } from '@ryo-faas/runtime/protocol'
import { dockerfileBase } from '../../contract/index.ts'
import { isAlive, spawnDetached, type ProcessIdentity } from '../../host/index.ts'
import type { InstanceSpec } from '../engine.ts'
import { ProcessEngine } from './process-engine.ts'
import { ProcessRecord } from './process-record.ts'
import { RecordFiles } from './record-files.ts'

/** Reports that it is listening when it is allowed to. */
const FUNCTION = `
import { existsSync, writeFileSync } from 'node:fs'
const timer = setInterval(() => {
  if (!existsSync(process.env.GO) || !process.env.RYO_FAAS_READY_FILE) return
  writeFileSync(process.env.RYO_FAAS_READY_FILE, JSON.stringify({ port: 4711, pid: process.pid }))
  clearInterval(timer)
  setInterval(() => {}, 1e6)
}, 5)
`
const signal = new AbortController().signal

let home: string
let go: string
let spec: InstanceSpec
let engines: ProcessEngine[]
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ryo-faas-processes-'))
  go = join(home, 'go')
  engines = []
  await mkdir(join(home, 'image'))
  await writeFile(join(home, 'image', 'main.mjs'), FUNCTION)
  spec = {
    id: 'a1',
    route: 'slow',
    version: 1,
    image: join(home, 'image'),
    command: ['node', 'main.mjs'],
    env: { GO: go },
    secrets: {},
    limits: { memoryMb: 128, cpus: 1, pids: 64 },
  }
})
afterEach(async () => {
  for (const engine of engines) await engine.close()
  await newEngine().cleanUp()
  // The engine may be writing down an exit.
  await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})

function newEngine(startTimeoutMs?: number): ProcessEngine {
  const engine = new ProcessEngine({
    project: 'rfat',
    home,
    nodePath: process.execPath,
    baseEnv: {},
    note: '',
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
  })
  engines.push(engine)
  return engine
}

/** What an agent leaves that dies while the instance starts: a process, and a record without a port. */
async function startedByAnEarlierAgent(): Promise<ProcessIdentity> {
  const files = new RecordFiles(join(home, 'run', 'instances'))
  const { identity } = await spawnDetached({
    command: process.execPath,
    args: [join(spec.image, 'main.mjs')],
    env: { ...spec.env, [ENV.readyFile]: files.readyFile(spec.id) },
    logFile: join(home, 'a1.log'),
  })
  const { id, route, version } = spec
  await files.save({ id, route, version, startedAt: new Date().toISOString(), memoryMb: 128, identity })
  return identity
}

test('a function that asks for a version of Node is run by that one', async () => {
  const engine = newEngine()
  const own = `node@${process.versions.node}`
  await writeFile(go, '')
  expect(await engine.start({ ...spec, base: own }, signal)).toMatchObject({ state: { kind: 'running' } })
  expect(await engine.surroundings(own)).toEqual({ modules: process.versions.modules })
  const missing = engine.start({ ...spec, id: 'a2', base: 'node@999' }, signal)
  await expect(missing).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' })
  expect((await engine.instances()).map(({ id }) => id)).toEqual(['a1'])
  await expect(engine.surroundings('node@999')).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' })
})

test('an instance that listens only after its agent has died is found and reported', async () => {
  await startedByAnEarlierAgent()
  const engine = newEngine()
  const changed = new Promise<void>(resolve => engine.watch(resolve))
  expect(await engine.instances()).toEqual([])
  await writeFile(go, '')
  await changed
  expect(await engine.instances()).toMatchObject([{ id: 'a1', state: { kind: 'running', address: { port: 4711 } } }])
})

test('an instance that never listens is killed after its time limit', async () => {
  const identity = await startedByAnEarlierAgent()
  const engine = newEngine(0)
  const state = { kind: 'exited', reason: 'was not ready in time' }
  await expect.poll(() => engine.instances()).toMatchObject([{ id: 'a1', state }])
  await expect.poll(() => isAlive(identity)).toBe(false)
})

test('cleaning up also ends what is not listening yet', async () => {
  const identity = await startedByAnEarlierAgent()
  await newEngine().cleanUp()
  expect(await isAlive(identity)).toBe(false)
})

test('an exit is noted even if nothing can be written', async () => {
  const engine = newEngine()
  await writeFile(go, '')
  await engine.start(spec, signal)
  const changed = new Promise<void>(resolve => engine.watch(resolve))
  const folder = join(home, 'run', 'instances')
  const { identity } = ProcessRecord.parse(JSON.parse(await readFile(join(folder, 'a1.json'), 'utf8')))
  await rm(folder, { recursive: true })
  await writeFile(folder, 'not a folder: nothing can be saved in it')
  process.kill(identity.pid, 'SIGKILL')
  await changed
  expect(await engine.instances()).toMatchObject([{ state: { kind: 'exited', reason: 'killed by SIGKILL' } }])
  await rm(folder)
})

test('a flood of output is cut while the instance lives', async () => {
  const engine = newEngine()
  await writeFile(go, '')
  await engine.start(spec, signal)
  const log = join(home, 'logs', 'functions', 'slow', 'a1.log')
  await appendFile(log, 'x'.repeat(11 * 1024 * 1024))
  engine.watch(() => undefined)
  await expect.poll(async () => (await stat(log)).size).toBeLessThanOrEqual(5 * 1024 * 1024)
})

test('what needs containers is said to have no effect', () => {
  const engine = newEngine()
  expect(engine.ignored({})).toEqual([])
  expect(engine.ignored({ egress: 'internet' })).toEqual([])
  expect(engine.ignored({ nodes: 'role==gpu' })).toEqual([expect.stringMatching(/^"nodes" has no effect/)])
  expect(engine.ignored({ networks: ['a'], egress: 'none' })).toEqual([
    '"networks" and "egress" have no effect without Docker: it reaches whatever this machine reaches',
  ])
})

test('what is built by a Dockerfile is refused before it is built', async () => {
  await expect(newEngine().surroundings(dockerfileBase('Dockerfile'))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('a Dockerfile needs Docker') as string,
  })
})
