import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { AHEAD, begin, callOff } from './ahead-process.ts'
import { spawnDetached } from './detached-process.ts'

const tsx = createRequire(import.meta.url).resolve('tsx')
const PROGRAM = `
import { untilBegin } from ${JSON.stringify(new URL('./ahead-process.ts', import.meta.url).href)}
console.log('loaded')
await untilBegin()
console.log('began with', process.argv.slice(2).join())
`

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-ahead-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'program.mjs'), PROGRAM)
})

async function start(args: string[], stdin?: 'pipe') {
  const logFile = join(folder, 'log')
  const started = await spawnDetached({
    command: process.execPath,
    args: ['--import', tsx, join(folder, 'program.mjs'), ...args],
    env: process.env,
    logFile,
    ...(stdin && { stdin }),
  })
  onTestFinished(() => void started.child.kill('SIGKILL'))
  const log = () => readFile(logFile, 'utf8')
  return { started, log }
}

test('a process that was started ahead does nothing until it is told to, and is then like any other', async () => {
  const { started, log } = await start(['options.json', AHEAD], 'pipe')
  await expect.poll(log).toBe('loaded\n')
  begin(started)
  expect(await started.exited).toEqual({ code: 0, signal: null })
  expect(await log()).toBe('loaded\nbegan with options.json\n')
})

test('it ends when it is called off, which is also what the death of its starter does', async () => {
  const { started, log } = await start(['options.json', AHEAD], 'pipe')
  await expect.poll(log).toBe('loaded\n')
  callOff(started)
  expect(await started.exited).toEqual({ code: 0, signal: null })
  expect(await log()).toBe('loaded\n')
})

test('one that is called off before it listens ends as well; one that is started as usual begins at once', async () => {
  const ahead = await start([AHEAD], 'pipe')
  callOff(ahead.started)
  expect(await ahead.started.exited).toEqual({ code: 0, signal: null })
  const usual = await start(['options.json'])
  await usual.started.exited
  expect(await usual.log()).toContain('began with options.json')
})
