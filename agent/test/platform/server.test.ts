/**
 * A server of one's own: a real sshd on this machine, to which `server add` brings the platform as it would to another
 * one, and commands that reach it through the user's ssh.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unitText } from '../../src/platform/service.ts'
import { BIN, TestPlatform, writeProject } from '../support/platform.ts'
import { SshServer } from '../support/ssh-server.ts'
import { programOf } from '../support/system-packages.ts'
import { until } from '../support/until.ts'

/** The user's machine. Nothing runs there. */
let laptop: TestPlatform
/** The same machine, seen from inside. */
let there: TestPlatform
let ssh: SshServer
let folder: string

const add = () => [
  ...['server', 'add', 'server', '--name', 'shop', '--ssh-config', ssh.config, '--home', there.home],
  ...['--project', there.project, '--engine', 'process', '--no-service'],
  ...['port', 'agent-port', 'nats-port', 'store-port'].flatMap(port => [`--${port}`, '0']),
]
const laptopWith = (environment: NodeJS.ProcessEnv) =>
  new TestPlatform(laptop.home, { ...laptop.environment, ...environment }, BIN)
const on = (...args: string[]) => laptop.ok([...args, '--server', 'shop'])

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-run-'))
  ssh = await SshServer.start()
  laptop = await TestPlatform.make({ XDG_RUNTIME_DIR: folder })
  there = await TestPlatform.make()
  await cutOffUpload()
  await laptop.ok(add())
  const file = await writeProject(join(there.home, 'project'), {
    greet: { code: 'export const greet = async (r: Request) => new Response(`hello ${await r.text()}`)' },
    job: { code: 'export const job = () => new Response("done")', options: { async: true } },
  })
  await there.ok(['deploy', file])
})
afterAll(async () => {
  await laptop.cli(['server', 'remove', 'shop', '--yes'])
  await there.remove()
  await rm(laptop.home, { recursive: true, force: true })
  await ssh.remove()
  await rm(folder, { recursive: true, force: true })
})

/** Kills all that runs there, also what is started by something that is killed a moment later. */
async function cutPower(): Promise<void> {
  const { resources } = await (await there.client()).call('resources', {})
  const instances = resources.flatMap(({ name }) => Number(/\bpid (\d+)/.exec(name)?.[1] ?? 0) || [])
  expect(instances.length).toBeGreaterThan(0)
  const kill = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It was just ending.
    }
  }
  instances.forEach(kill)
  await until(async () => {
    const left = await processesOf(there.home)
    left.forEach(kill)
    return left.length === 0 || undefined
  })
}

/** Those that have a file of the home in their command line. */
async function processesOf(home: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0 && pid !== process.pid)
  const lines = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => lines[index]!.includes(`${home}/`))
}

/** Kills `server add` in the middle of the copy. */
async function cutOffUpload(): Promise<void> {
  const adding = spawn(process.execPath, [BIN, ...add()], { env: laptop.environment, stdio: 'ignore' })
  const ended = once(adding, 'exit')
  await until(async () => {
    const names = await readdir(join(there.home, 'platform')).catch(() => [])
    return names.some(name => name.startsWith('unfinished-')) || adding.exitCode !== null || undefined
  })
  adding.kill('SIGKILL')
  await ended
}

test('the platform was copied whole, runs from the copy, and the token is for this user alone', async () => {
  const current = await realpath(join(there.home, 'platform', 'current'))
  const { build } = JSON.parse(await readFile(join(current, 'agent', 'package.json'), 'utf8')) as { build: string }
  expect(current).toBe(join(await realpath(there.home), 'platform', build))
  expect(await there.view()).toMatchObject({ build, phase: { kind: 'ready' } })
  expect(await readFile(join(laptop.home, 'servers.json'), 'utf8')).toContain('ryotoken_')
  expect(await readFile(join(there.home, 'tokens.json'), 'utf8')).not.toContain('ryotoken_')
  expect(await there.ok(['token', 'list'])).toMatch(/@.* admin +all/)
})

test('commands are for the server by option, variable or choice, and for this machine otherwise', async () => {
  expect(await on('details')).toContain('greet')
  expect(await laptopWith({ RYO_FAAS_SERVER: 'shop' }).ok(['details', 'greet'])).toContain('v1')
  await laptop.ok(['server', 'use', 'shop'])
  expect(await laptop.ok(['details', 'greet'])).toContain('v1')
  expect((await laptop.cli(['details', '--server', 'local'])).stderr).toContain('[NOT_RUNNING]')
  await laptop.ok(['server', 'use', 'local'])
  expect((await laptop.cli(['details'])).stderr).toContain('[NOT_RUNNING]')
  expect((await laptop.cli(['details', '--server', 'shob'])).stderr).toContain('Did you mean "shop"?')
  expect((await laptop.cli(['startFaas', '--server', 'shop'])).stderr).toContain('is about this machine')
})

test('what commands ask of proxy and store goes through the agent there', async () => {
  expect(await on('invoke', 'greet', '--data', 'you')).toBe('hello you')
  expect(await on('invoke', 'job', '--async', '--wait', '--data', '1')).toContain('done')
  expect(await on('calls', 'list', '--function', 'job')).toContain('succeeded')
  await on('store', 'put', 'orders', 'a b/c', '--data', '{"n":1}')
  expect(JSON.parse(await on('store', 'get', 'orders', 'a b/c', '--json'))).toMatchObject({ data: { n: 1 } })
  expect(await on('store', 'export', 'orders')).toContain('"a b/c"')
  expect(await on('list')).toContain('greet')
  expect(await on('events', 'publish', 'com.example.made', '--source', '/test')).toContain('published one event')
  await on('logs', 'greet')
  // Spans come in batches.
  await until(async () => (await on('traces')).includes('greet') || undefined)
})

test('code of this machine runs there, and only what changed is sent again', async () => {
  const project = join(laptop.home, 'project')
  const write = (text: string) =>
    writeProject(project, { wave: { code: `export const wave = async () => new Response('${text}')` } })
  const file = await write('one')
  expect(await on('deploy', file)).toMatch(/wave v1 created/)
  expect(await on('invoke', 'wave')).toBe('one')
  await write('two')
  expect(await on('deploy', file)).toMatch(/wave v2 updated/)
  expect(await on('invoke', 'wave')).toBe('two')
  expect(await on('deploy', file)).toMatch(/wave v2 unchanged/)
  await writeProject(project, {
    wave: { code: 'export const wave = (one: string, two: string, three: string) => one' },
  })
  const refused = await laptop.cli(['deploy', file, '--server', 'shop'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[CHECK_FAILED]')])
  expect(await on('invoke', 'wave')).toBe('two')
})

test('a debugger reaches a function there by a port of this machine', async () => {
  const file = await writeProject(join(laptop.home, 'project'), {
    wave: { code: `export const wave = async () => new Response('two')` },
  })
  const said = await on('deploy', file, '--debug')
  const [, port] = /debugger at 127\.0\.0\.1:(\d+)/.exec(said)!
  const there = JSON.parse(await on('details', 'wave', '--json')) as { debugPort: number; filePath: string }
  expect(Number(port)).not.toBe(there.debugPort)
  // No path of the laptop is there.
  expect(there).toMatchObject({ project: 'project', filePath: 'wave/main.ts' })
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { url: string }[]
  expect(targets[0]!.url).toMatch(/wave.*\.mjs$/)
  expect(await on('deploy', file)).toMatch(/wave v\d+ updated/)
})

test('a browser reaches the dashboard of the server with a key that cannot change anything', async () => {
  const url = new URL((await on('dashboard')).trim())
  const key = new URLSearchParams(url.hash.slice(1)).get('key')!
  expect(await (await fetch(url)).text()).toContain('dashboard/app.js')
  const ask = async (path: string, method = 'GET') =>
    (await fetch(url.origin + path, { method, headers: { authorization: `Bearer ${key}` } })).status
  expect(await ask('/v1/platform')).toBe(200)
  expect(await ask('/v1/secrets')).toBe(401)
  expect(await ask('/v1/deployments/greet', 'DELETE')).toBe(401)
})

test('systemd understands the unit', async () => {
  for (const isOfUser of [true, false]) {
    const file = join(folder, isOfUser ? 'user.service' : 'machine.service')
    const program = { node: process.execPath, entry: BIN, flags: ['--https=443'] }
    await writeFile(file, unitText({ home: there.home, ...program, isOfUser }))
    const args = ['verify', ...(isOfUser ? ['--user'] : []), '--man=no', file]
    const env = { ...process.env, XDG_RUNTIME_DIR: folder }
    const { stderr } = await promisify(execFile)(programOf('systemd')!, args, { env })
    // Units of this machine may have faults of their own.
    expect(stderr.split('\n').filter(line => line.includes(file))).toEqual([])
  }
})

test('after a reboot, when systemd has run the unit, everything is there as it was', async () => {
  await cutPower()
  const unhealthy = await laptop.cli(['server', 'doctor', 'shop'])
  expect([unhealthy.code, unhealthy.stdout + unhealthy.stderr]).toEqual([1, expect.stringMatching(/not|no /)])
  const flags = ['--engine=process', `--project=${there.project}`]
  const entry = join(there.home, 'platform', 'current', 'agent', 'bundle', 'main', 'cli.cjs')
  const unit = unitText({ home: there.home, node: process.execPath, entry, flags, isOfUser: true })
  const words = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, line]) => [...line!.matchAll(/"([^"]*)"|(\S+)/g)])
  const [[program, ...args]] = words('ExecStart').map(line => line.map(([, quoted, plain]) => quoted ?? plain!)) as [
    [string, ...string[]],
  ]
  const environment = words('Environment')
    .map(line => line[0]!)
    .map(([, quoted, plain]) => (quoted ?? plain!).split('='))
  await promisify(execFile)(program, args, { env: Object.fromEntries(environment) as NodeJS.ProcessEnv })
  expect(await on('invoke', 'greet', '--data', 'again')).toBe('hello again')
  expect(JSON.parse(await on('store', 'get', 'orders', 'a b/c', '--json'))).toMatchObject({ data: { n: 1 } })
  expect(await laptop.ok(['server', 'doctor', 'shop'])).not.toMatch(/✖/)
})

test('a backup that was taken here is put into the server, which runs again as it did; this machine knows it still', async () => {
  const file = join(folder, 'shop.tar.gz')
  await on('backup', file)
  await on('stop', 'greet', '--yes')
  const damaged = join(folder, 'damaged.tar.gz')
  await writeFile(damaged, (await readFile(file)).subarray(0, -100))
  const refused = await laptop.cli(['restore', damaged, '--server', 'shop'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('on the server shop?')])
  const failed = await laptop.cli(['restore', damaged, '--server', 'shop', '--yes'])
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('BACKUP_INVALID')])
  expect(await on('details')).not.toContain('greet')
  expect(await on('restore', file, '--yes')).toContain('restored shop, which runs again')
  expect(await on('invoke', 'greet', '--data', 'you')).toContain('hello you')
  expect((await there.view()).engine).toBe('process')
})

test('what destroys something on a server asks with its name, or needs --yes', async () => {
  const { code, stderr } = await laptop.cli(['stop', 'job', '--server', 'shop'])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/Stop job on the server shop\?.*--yes/s)])
  expect(await there.ok(['details'])).toContain('job')
  await on('stop', 'job', '--yes')
  expect(await there.ok(['details'])).not.toContain('job')
})

test('a server whose token was revoked, or which is gone, is told apart', async () => {
  const { id } = JSON.parse(await there.ok(['token', 'list', '--json']))[0] as { id: string }
  await there.ok(['token', 'revoke', id, '--yes'])
  const revoked = await laptop.cli(['details', '--server', 'shop'])
  expect([revoked.code, revoked.stderr]).toEqual([1, expect.stringMatching(/it was revoked.*\[UNAUTHORIZED\]/s)])
  // Added again, it gets another one; nothing is copied that is there.
  await laptop.ok(add())
  expect(JSON.parse(await there.ok(['token', 'list', '--json']))).toHaveLength(1)
  expect(await readdir(join(there.home, 'platform'))).toHaveLength(2)
  await ssh.closeToAll()
  await laptop.ok(['details', '--server', 'shop']) // Through the connection that is open.
  const closed = await laptopWith({ XDG_RUNTIME_DIR: laptop.home }).cli(['details', '--server', 'shop'])
  expect([closed.code, closed.stderr]).toEqual([1, expect.stringMatching(/Permission denied.*\[SERVER_UNREACHABLE\]/s)])
})
