import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { untilTrue } from '../../../test/support/until.ts'
import { identifyProcess, isStopped, pauseProcess } from '../../host/index.ts'
import { copyStill } from './still-copy.ts'

let folder: string
let children: ChildProcess[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-still-'))
  children = []
})
afterEach(async () => {
  const living = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  const exits = living.map(child => once(child, 'exit'))
  for (const child of living) child.kill('SIGKILL')
  await Promise.all(exits)
  await rm(folder, { recursive: true, force: true })
})

/** Writes each number to one file after the other, and makes and removes folders. */
const WRITER = `
const fs = require('node:fs'), { join } = require('node:path')
const files = ['a', 'b/c', 'b/d'].map(name => fs.openSync(join(process.argv[1], name), 'a'))
for (let n = 1; ; n++) {
  for (const file of files) fs.writeSync(file, n + '\\n')
  if (n % 100 === 0) {
    fs.mkdirSync(join(process.argv[1], 'x' + n))
    fs.writeFileSync(join(process.argv[1], 'x' + n, 'f'), 'f')
    fs.rmSync(join(process.argv[1], 'x' + (n - 300)), { recursive: true, force: true })
  }
}`

async function startWriter(at: string) {
  await mkdir(join(at, 'b'), { recursive: true })
  const child = spawn(process.execPath, ['-e', WRITER, at], { stdio: 'ignore' })
  children.push(child)
  await untilTrue(async () => (await readFile(join(at, 'b/d'), 'utf8').catch(() => '')).length > 1_000, 'it writes')
  return (await identifyProcess(child.pid!))!
}

test('a copy of what is written all the time is what it was at one moment', async () => {
  const from = join(folder, 'from')
  const writer = await startWriter(from)
  for (const round of [1, 2, 3]) {
    const to = join(folder, String(round))
    const { pausedMs } = await copyStill({ from, to }, () => pauseProcess(writer))
    expect(pausedMs).toBeGreaterThan(0)
    const lines = await Promise.all(['a', 'b/c', 'b/d'].map(name => readFile(join(to, name), 'utf8')))
    const [a, c, d] = lines.map(text => text.split('\n').length)
    // In the order in which it writes them.
    expect(
      [a! - c!, c! - d!, a! - d!].every(ahead => ahead === 0 || ahead === 1),
      `${a} ${c} ${d}`,
    ).toBe(true)
    const folders = (await readdir(to)).filter(name => name.startsWith('x')).length
    expect(folders).toBeLessThanOrEqual(4)
    await untilTrue(async () => !(await isStopped(writer)), 'it goes on')
  }
})

test('what failed lets the process go on', async () => {
  const writer = await startWriter(join(folder, 'from'))
  await writeFile(join(folder, 'file'), '')
  const asked: boolean[] = []
  const pause = async () => {
    const resume = await pauseProcess(writer)
    await rm(join(folder, 'to'), { recursive: true })
    await writeFile(join(folder, 'to'), 'no folder')
    asked.push(await isStopped(writer))
    return resume
  }
  await expect(copyStill({ from: join(folder, 'from'), to: join(folder, 'to') }, pause)).rejects.toThrow(
    /ENOTDIR|EEXIST/,
  )
  expect(asked).toEqual([true])
  await untilTrue(async () => !(await isStopped(writer)), 'it goes on')
})

test('a process goes on when the one that stopped it is killed', async () => {
  const writer = await startWriter(join(folder, 'from'))
  const module = fileURLToPath(new URL('../../host/paused-process.ts', import.meta.url))
  const code = `import(${JSON.stringify(module)}).then(async ({ pauseProcess }) => {
    await pauseProcess(${JSON.stringify(writer)})
    console.log('stopped')
    setInterval(() => undefined, 1_000)
  })`
  const pauser = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(pauser)
  await once(pauser.stdout, 'data')
  expect(await isStopped(writer)).toBe(true)
  pauser.kill('SIGKILL')
  await untilTrue(async () => !(await isStopped(writer)), 'it goes on')
})

test('a process that is gone cannot be stopped', async () => {
  await expect(pauseProcess({ pid: 2 ** 22 - 1, startedAt: '1' })).rejects.toThrow(/could not be stopped/)
})
