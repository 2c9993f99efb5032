import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { servicePart, type Service } from './service-part.ts'

/** Reads its options and says that it serves, on the port that it was given; 1 is a port that is taken. */
const ENTRY = `
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
const { port, readyFile } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
if (port === 1) throw new Error('listen EADDRINUSE')
writeFileSync(readyFile + '.new', JSON.stringify({ pid: process.pid, port }))
renameSync(readyFile + '.new', readyFile)
setInterval(() => {}, 1000)
`

async function makeHome() {
  const home = await mkdtemp(join(tmpdir(), 'rfa-service-'))
  const entry = join(home, 'entry.mjs')
  await writeFile(entry, ENTRY)
  onTestFinished(() => rm(home, { recursive: true }))
  const make = (service: Service) => {
    const part = servicePart(service, { home, nodePath: process.execPath, environment: {}, release: 'this' })
    onTestFinished(() => part.stop())
    return part
  }
  const optionsOf = async (name: string) =>
    JSON.parse(await readFile(join(home, 'run', `${name}-options.json`), 'utf8')) as object
  return { home, entry, make, optionsOf }
}

test('a service gets its options in a file, and is found where it says that it serves', async () => {
  const { home, entry, make, optionsOf } = await makeHome()
  let port = 4001
  const proxy = make({
    name: 'proxy',
    entry,
    listen: { host: '0.0.0.0', port: () => port },
    routesFile: 'routes.json',
    settings: { workers: 2 },
  })
  expect((await proxy.ensure()).address).toBe('127.0.0.1:4001')
  expect(await optionsOf('proxy')).toEqual({
    workers: 2,
    host: '0.0.0.0',
    port: 4001,
    readyFile: join(home, 'run', 'proxy.ready'),
    controlPath: join(home, 'run', 'proxy.sock'),
    routesFile: join(home, 'run', 'routes.json'),
  })
  await proxy.stop()
  port = 4002
  expect((await proxy.ensure()).address).toBe('127.0.0.1:4002')
})

test('one without routes has no control socket, and one that nobody else reaches no address to choose', async () => {
  const { home, entry, make, optionsOf } = await makeHome()
  const dispatcher = make({ name: 'dispatcher', entry, settings: { port: 4003 } })
  expect((await dispatcher.ensure()).address).toBe('127.0.0.1:4003')
  expect(await optionsOf('dispatcher')).toEqual({ port: 4003, readyFile: join(home, 'run', 'dispatcher.ready') })
})

test('a running one is adopted, unless it takes its routes elsewhere, as one of another build may', async () => {
  const { entry, make } = await makeHome()
  const before: Service = { name: 'dispatcher', entry, settings: { port: 4004 } }
  const first = await make(before).ensure()
  expect((await make(before).ensure()).pid).toBe(first.pid)
  const now = { ...before, routesFile: 'dispatcher-routes.json' }
  const second = await make(now).ensure()
  expect(second.pid).not.toBe(first.pid)
  expect((await make(now).ensure()).pid).toBe(second.pid)
})

test('a port that is in use is named, with the option that helps', async () => {
  const { entry, make } = await makeHome()
  const store = make({ name: 'store', entry, listen: { host: '127.0.0.1', port: () => 1 }, settings: {} })
  await expect(store.ensure()).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining('port 1 (store)') as string,
  })
})

test('a process that an agent started and could not write down is ended, and another one takes its place', async () => {
  const { home, entry, make } = await makeHome()
  await mkdir(join(home, 'run'))
  const code = `
    const answer = JSON.stringify({ status: 'ok', generation: 1, pid: process.pid })
    require('node:http').createServer((_, response) => response.end(answer)).listen(process.argv[1], () => console.log('up'))`
  const unknown = spawn(process.execPath, ['-e', code, join(home, 'run', 'proxy.sock')], { stdio: 'pipe' })
  await once(unknown.stdout, 'data')
  const exited = once(unknown, 'exit')
  const listen = { host: '127.0.0.1', port: () => 4004 }
  const proxy = make({ name: 'proxy', entry, listen, routesFile: 'routes.json', settings: {} })
  expect((await proxy.ensure()).address).toBe('127.0.0.1:4004')
  expect(await exited).toEqual([null, 'SIGTERM'])
})
