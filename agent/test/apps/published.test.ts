/** What is published does the main job: packed, installed from the tarball, and run outside the repository. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packPublished } from '../support/npm-registry.ts'
import { EXAMPLES, TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

const MAX_PACKAGES = 40
const MAX_MB = 60
const run = promisify(execFile)

let folder: string
let installed: string
let said: string
let platform: TestPlatform
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-package-'))
  await packPublished(folder)
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const install = ['install', '--global', '--prefix', join(folder, 'prefix'), '--prefer-offline', '--no-audit']
  const { stdout, stderr } = await run('npm', [...install, join(folder, `ryo-faas-${version}.tgz`)], { cwd: folder })
  said = stdout + stderr
  installed = join(folder, 'prefix', 'lib', 'node_modules', 'ryo-faas')
  // Nothing is fetched: that a binary is as expected has a test of its own.
  const ports = { RYO_FAAS_PORT: '0', RYO_FAAS_AGENT_PORT: '0', RYO_FAAS_STORE_PORT: '0', RYO_FAAS_NATS_PORT: '0' }
  const environment = { ...ports, RYO_FAAS_NODE: process.execPath, RYO_FAAS_ENGINE: 'process' }
  platform = await TestPlatform.make(environment, join(installed, 'bin', 'ryo-faas.js'))
}, 180_000)
afterAll(async () => {
  await platform?.remove()
  await rm(folder, { recursive: true, force: true })
})

test('it is small, and installs without a warning', async () => {
  expect(said).not.toMatch(/warn/i)
  const files = await readdir(join(folder, 'prefix', 'lib'), { recursive: true, withFileTypes: true })
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  const packages = paths.filter(path => /node_modules\/(?:@[^/]+\/)?[^/@]+\/package\.json$/.test(path))
  expect(packages.length).toBeLessThanOrEqual(MAX_PACKAGES)
  const sizes = await Promise.all(paths.map(async path => (await stat(path)).size))
  expect(sizes.reduce((sum, size) => sum + size, 0) / 1e6).toBeLessThanOrEqual(MAX_MB)
})

test('the copy of the runtime that projects get needs no package', async () => {
  const dist = join(installed, 'node_modules', '@ryo-faas', 'runtime', 'dist')
  const code = (await readdir(dist, { recursive: true })).filter(name => name.endsWith('.js'))
  expect(code).toContain(join('schedules', 'times.js'))
  const imported = code.flatMap(name =>
    [...readFileSync(join(dist, name), 'utf8').matchAll(/^(?:import|export)\b[^'"\n]*?\bfrom '([^']+)'/gm)].map(
      ([, from]) => from!,
    ),
  )
  expect(imported.filter(from => !/^(?:\.|node:)/.test(from))).toEqual([])
})

test('no program but its own gets into the PATH of a project', async () => {
  expect(await readdir(join(folder, 'prefix', 'bin'))).toEqual(['ryo-faas'])
  const files = await readdir(folder, { recursive: true })
  expect(files.filter(name => /node_modules\/\.bin\/node$/.test(name))).toEqual([])
})

test('its manifest is fit to publish', async () => {
  const { messages } = await publint({ pkgDir: installed, pack: false, strict: true })
  expect(messages).toEqual([])
})

test('it starts, checks, deploys and serves, and the agent comes back when killed', async () => {
  expect(await platform.ok(['--version'])).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(await platform.ok(['check', EXAMPLES])).toContain('OK')
  const { proxyUrl, parts } = await platform.start('process')
  await platform.ok(['deploy', EXAMPLES])
  const hello = async () => (await fetch(`${proxyUrl}/functions/helloworld`)).text()
  expect(await hello()).toBe('Hello, World!\n')
  expect(await platform.ok(['invoke', 'HelloWorld'])).toBe('Hello, World!\n')
  expect(await platform.ok(['details'])).toMatch(/HelloWorld +http +v1/)
  process.kill(parts[0]!.pid!, 'SIGKILL')
  expect(await hello()).toBe('Hello, World!\n')
  expect(await platform.ok(['stopFaas'])).toMatch(/agent/)
  expect(await platform.ok(['stopFaas', '--prune', '--yes'])).toMatch(/data were removed/)
}, 120_000)

test('dev makes a project in an empty folder, serves it, and stops what it started', async () => {
  const cwd = join(folder, 'first')
  await mkdir(cwd)
  const dev = platform.spawnCli(['dev', cwd])
  let text = ''
  for (const stream of [dev.stdout!, dev.stderr!]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ended = once(dev, 'exit')
  const url = await until(async () => /http:\S+\/functions\/hello/.exec(text)?.[0])
  expect(await (await fetch(url)).text()).toContain('Hello')
  await until(async () => text.includes('greeting') || undefined)
  dev.kill('SIGINT')
  expect(await ended, text).toEqual([0, null])
  expect(text).toMatch(/stopped: .*agent/)
  expect(await platform.ok(['stopFaas'])).toBe('nothing is running\n')
}, 120_000)
