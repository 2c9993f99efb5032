import { spawn, type ChildProcess } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { TEST_KEYS } from '../../access/access-testing.ts'
import { ask, Stage, until } from './store-testing.ts'

const main = join(inject('entries'), 'services/store/main.js')

let stage: Stage
beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

interface Started {
  child: ChildProcess
  exit: Promise<number | null>
  stderr(): string
}

async function run(options: object, { fileLimitBlocks }: { fileLimitBlocks?: number } = {}): Promise<Started> {
  const file = join(stage.folder, 'options.json')
  await writeFile(file, JSON.stringify({ dataFolder: stage.dataFolder, access: TEST_KEYS, port: 0, ...options }))
  const node = [process.execPath, main, file]
  const [command, args] =
    fileLimitBlocks === undefined
      ? [node[0]!, node.slice(1)]
      : ['sh', ['-c', `ulimit -f ${fileLimitBlocks}; exec "$@"`, 'sh', ...node]]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
  stage.onEnd(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { child, exit, stderr: () => stderr }
}

async function start(options: object = {}, limits?: { fileLimitBlocks: number }): Promise<Started & { port: number }> {
  const readyFile = join(stage.folder, 'ready.json')
  await rm(readyFile, { force: true })
  const started = await run({ readyFile, ...options }, limits)
  let port: number | undefined
  await until(async () => {
    if (started.child.exitCode !== null) throw new Error(`it ended: ${started.stderr()}`)
    const text = await readFile(readyFile, 'utf8').catch(() => undefined)
    port = text === undefined ? undefined : (JSON.parse(text) as { port: number }).port
    return port !== undefined
  }, 'the store is ready')
  return { ...started, port: port! }
}

const create = (port: number, data: unknown) => ask(port, 'POST /tables/t/docs', { body: { data } })

it('keeps over an end and over kill -9 what it has answered', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const { child, exit, port } = await start()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => create(port, { signal, n })))
    child.kill(signal)
    expect(await exit).toBe(signal === 'SIGTERM' ? 0 : null)
    for (const { status } of answers) expect(status).toBe(201)
  }
  const { port } = await start()
  expect((await ask(port, 'GET /tables/t')).json).toMatchObject({ documents: 100 })
  expect((await ask(port, 'GET /log')).json).toEqual({ first: 1, last: 100 })
})

it('refuses data that another process has, an address that is taken, and options that are wrong', async () => {
  await start()
  const second = await run({})
  expect(await second.exit).toBe(75)
  expect(JSON.parse(second.stderr().trim())).toMatchObject({ part: 'store', level: 'error', code: 'DATA_IN_USE' })

  const taken = net.createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => new Promise<void>(resolve => taken.close(() => resolve())))
  const dataFolder = join(stage.folder, 'other')
  const third = await run({ dataFolder, port: (taken.address() as AddressInfo).port })
  expect(await third.exit).toBe(98)
  expect(third.stderr()).toContain('EADDRINUSE')

  const fourth = await run({ dataFolder, porT: 1 })
  expect(await fourth.exit).toBe(78)
  expect(fourth.stderr()).toContain('porT')
})

it('answers writes that the disk does not take, and goes on reading', async () => {
  const { port } = await start({}, { fileLimitBlocks: 1_000 })
  const data = 'x'.repeat(20_000)
  let written = 0
  let refused = await create(port, data)
  while (refused.status === 201) {
    written += 1
    refused = await create(port, data)
  }
  expect([503, 507]).toContain(refused.status)
  expect(refused.json.error.code).toMatch(/^STORAGE_F/)
  expect((await ask(port, 'GET /tables/t')).json).toMatchObject({ documents: written })
  expect((await ask(port, 'GET /log')).json).toEqual({ first: 1, last: written })
  // What is smaller than the room that is left is taken.
  const last = await create(port, 1)
  expect((await ask(port, 'GET /log')).json.last).toBe(written + (last.status === 201 ? 1 : 0))
})

it('goes on with an index that was being built when it was killed', async () => {
  const first = await start()
  const lines = Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ id: String(n), data: { n: n % 100 } }))
  const headers = { 'content-type': 'application/x-ndjson' }
  await ask(first.port, 'POST /tables/t/import', { headers, body: lines.join('\n') })
  expect(await ask(first.port, 'PUT /tables/t/indexes/n')).toMatchObject({ status: 202 })
  first.child.kill('SIGKILL')
  await first.exit
  const { port } = await start()
  const index = async () => (await ask(port, 'GET /tables/t/indexes')).json.indexes[0]
  await until(async () => (await index()).state === 'ready', 'the index is built')
  expect(await index()).toEqual({ field: 'n', state: 'ready', documents: 20_000 })
  const found = await ask(port, `GET /tables/t/docs?limit=1000&where=${encodeURIComponent('n = 42')}`)
  expect(found.json.documents).toHaveLength(200)
})
