import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { spawnDetached } from '../host/index.ts'
import { ProcessPart } from './index.ts'

async function makePart(isOurs: () => boolean) {
  const home = await mkdtemp(join(tmpdir(), 'rfa-part-'))
  const part = new ProcessPart({
    name: 'proxy',
    home,
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    env: {},
    graceMs: 5_000,
    mayAdopt: async () => isOurs(),
    probe: async () => '',
  })
  onTestFinished(async () => {
    await part.stop()
    await rm(home, { recursive: true })
  })
  return part
}

test('a part that runs is adopted, unless it cannot be worked with: then it is ended and started afresh', async () => {
  let isOurs = true
  const part = await makePart(() => isOurs)
  const first = await part.ensure()
  expect((await part.ensure()).pid).toBe(first.pid)
  isOurs = false
  const second = await part.ensure()
  expect(second.pid).not.toBe(first.pid)
  await first.gone
})

/** Serves once it is told to. */
const AHEAD = `process.stdin.once('data', () => require('node:fs').writeFileSync(process.argv[1], ''))`

test('a process that was started ahead begins when everything is there for it, and is the part', async () => {
  const home = await mkdtemp(join(tmpdir(), 'rfa-part-'))
  const ready = join(home, 'ready')
  const command = { command: process.execPath, args: ['-e', `${AHEAD}; setInterval(() => {}, 1000)`, ready], env: {} }
  const ahead = await spawnDetached({ ...command, logFile: join(home, 'log'), stdin: 'pipe' })
  const waiting = [ahead]
  let isPrepared = false
  const part = new ProcessPart({
    name: 'proxy',
    home,
    ...command,
    graceMs: 5_000,
    startedAhead: async () => (isPrepared ? waiting.pop() : undefined),
    beforeStart: async () => void (isPrepared = true),
    probe: () =>
      access(ready).then(
        () => '127.0.0.1:1',
        () => undefined,
      ),
  })
  onTestFinished(async () => {
    await part.stop()
    await rm(home, { recursive: true })
  })
  expect(await part.ensure()).toMatchObject({ pid: ahead.identity.pid, address: '127.0.0.1:1' })
})

test('one that was starting when its agent died is adopted once it serves', async () => {
  const home = await mkdtemp(join(tmpdir(), 'rfa-part-'))
  const serving: string[] = []
  const part = new ProcessPart({
    name: 'proxy',
    home,
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    env: {},
    graceMs: 5_000,
    probe: async () => serving[0],
  })
  onTestFinished(async () => {
    await part.stop()
    await rm(home, { recursive: true })
  })
  const starting = part.ensure()
  await expect.poll(() => readFile(join(home, 'run', 'proxy.json'), 'utf8').catch(() => '')).toContain('"address":""')
  const adopting = part.ensure()
  serving.push('127.0.0.1:2')
  const [first, second] = await Promise.all([starting, adopting])
  expect(second).toMatchObject({ pid: first.pid, address: '127.0.0.1:2' })
})
