/** The other commands, and the agent's API as seen by a stranger. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'jsonc-parser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DebugPaths, LogLine, PlatformView, ResourceView } from '../../src/contract/index.ts'
import { API } from '../../src/contract/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

let platform: TestPlatform
let view: PlatformView
beforeAll(async () => {
  platform = await TestPlatform.make()
  view = await platform.start('process')
})
afterAll(() => platform.remove())

const call = async (path: string) => (await fetch(`${view.proxyUrl}/functions/${path}`)).text()
const project = (name: string, functions: Parameters<typeof writeProject>[1]) =>
  writeProject(join(platform.home, name), functions)

test('init creates a project that is ready to deploy and has its types; the second time it refuses', async () => {
  expect(await platform.ok(['init', 'fresh'])).toMatch(/next: ryo-faas dev fresh/)
  await platform.ok(['deploy', 'fresh'])
  expect(await call('hello?name=you')).toBe('Hello, you!\n')
  const { $schema } = parse(await readFile(join(platform.home, 'fresh/deploy.json'), 'utf8')) as { $schema: string }
  const schema = JSON.parse(await readFile(join(platform.home, 'fresh', $schema), 'utf8')) as { title: string }
  expect(schema.title).toBe('ryo-faas deploy.json')
  expect(await platform.cli(['init', 'fresh'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('already contains'),
  })
  expect(await platform.ok(['test', 'fresh', '--update'])).toContain('1 request')
  expect(await platform.ok(['test', 'fresh'])).toContain('1 request')
  await platform.ok(['stop', 'hello'])
})

test("a new project's own test passes, and its types are right", async () => {
  await platform.ok(['init', 'tested'])
  const folder = join(platform.home, 'tested')
  await install(folder)
  const run = (script: string) => promisify(execFile)('npm', ['run', script], { cwd: folder })
  expect((await run('test')).stdout).toMatch(/pass 1$/m)
  await run('check')
})

/** As `npm install` does, with the packages that are here. */
async function install(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  const { devDependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const links: [string, string][] = Object.entries<string>(devDependencies).map(([name, range]) => [
    name,
    range.startsWith('file:') ? join(folder, range.slice('file:'.length)) : resolve('node_modules', name),
  ])
  links.push(['.bin', resolve('node_modules/.bin')])
  for (const [name, target] of links) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(target, join(modules, name))
  }
}

test('--watch redeploys on every save, reports a broken one, and continues', async () => {
  const file = await project('watched', { seen: { code: `export const seen = () => new Response('first')` } })
  const shared = join(platform.home, 'watched/shared')
  await mkdir(join(platform.home, 'watched/node_modules/@acme'), { recursive: true })
  await mkdir(shared)
  await symlink(shared, join(platform.home, 'watched/node_modules/@acme/shared'))
  await writeFile(join(shared, 'package.json'), '{ "name": "@acme/shared", "exports": "./index.ts" }')
  await writeFile(join(shared, 'text.txt'), 'third')
  await writeFile(
    join(shared, 'index.ts'),
    `import { readFileSync } from 'node:fs'\nexport const text = readFileSync(new URL('text.txt', import.meta.url), 'utf8')`,
  )
  const source = join(platform.home, 'watched/seen/main.ts')
  const child = platform.spawnCli(['deploy', file, '--watch'])
  let output = ''
  child.stdout!.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr!.on('data', (text: Buffer) => (output += text.toString()))
  await until(async () => output.includes('Watching') || undefined)
  expect(await call('seen')).toBe('first')
  await writeFile(source, `export const seen = () => 42`)
  await until(async () => output.includes('CHECK_FAILED') || undefined)
  expect(await call('seen')).toBe('first')
  await writeFile(source, `export const seen = () => new Response(process.env.GREETING ?? 'second')`)
  await until(async () => ((await call('seen')) === 'second' ? true : undefined))
  await writeFile(join(platform.home, 'watched/.env'), 'GREETING=by .env')
  await until(async () => ((await call('seen')) === 'by .env' ? true : undefined))
  // A package of the same workspace, with a file that it reads.
  await writeFile(source, `import { text } from '@acme/shared'\nexport const seen = () => new Response(text)`)
  await until(async () => ((await call('seen')) === 'third' ? true : undefined))
  await writeFile(join(shared, 'text.txt'), 'fourth')
  await until(async () => ((await call('seen')) === 'fourth' ? true : undefined))
  child.kill('SIGINT')
  await new Promise(resolve => child.once('exit', resolve))
  expect(child.exitCode).toBe(0)
})

test('deploy --debug makes one instance attachable, without a timeout, until the next deploy', async () => {
  const code = `export const slow = () => new Promise<Response>(resolve => setTimeout(() => resolve(new Response('slow')), 400))`
  const file = await project('debugged', { slow: { code, options: { timeoutMs: 100, instances: 2 } } })
  const { deployed } = JSON.parse(await platform.ok(['deploy', file, '--debug', '--json'])) as {
    deployed: { debugPort: number; debugPaths: DebugPaths }[]
  }
  const { debugPort, debugPaths } = deployed[0]!
  const { remoteRoot, localRoot, entry, sourceRoot } = debugPaths
  const [{ url }] = (await (await fetch(`http://127.0.0.1:${debugPort}/json/list`)).json()) as [{ url: string }]
  expect(url).toBe(`file://${remoteRoot}/${entry}`)
  const map = JSON.parse(await readFile(join(localRoot, `${entry}.map`), 'utf8')) as { sources: string[] }
  expect(map.sources.map(source => join(sourceRoot, source))).toContain(join(dirname(file), 'slow', 'main.ts'))
  const inspector = () => fetch(`http://127.0.0.1:${debugPort}/json/list`).then(response => response.ok)
  expect(await inspector()).toBe(true)
  expect(await platform.details('slow')).toMatchObject({ debugPort, desiredInstances: 1 })
  // Calls paused in a debugger must not time out.
  expect(await call('slow')).toBe('slow')
  await platform.ok(['deploy', file])
  expect(await call('slow')).toContain('FUNCTION_TIMEOUT')
  const after = await platform.details('slow')
  expect(after).not.toHaveProperty('debugPort')
  expect(after.desiredInstances).toBe(2)
  await until(async () => ((await inspector().catch(() => false)) ? undefined : true))
  await platform.ok(['stop', 'slow'])
})

test('logs come from every instance, follow new ones, and can be limited', async () => {
  const code = `let count = 0
    export const chatty = () => { console.log('line', ++count); console.error('trouble'); return new Response(process.env.RYO_FAAS_INSTANCE) }`
  const file = await project('chatty', { chatty: { code, options: { instances: 2 } } })
  await platform.ok(['deploy', file])
  const seen = new Set<string>()
  while (seen.size < 2) seen.add(await call('chatty'))
  const child = platform.spawnCli(['logs', 'chatty', '--follow', '--json', '--tail', '0'])
  let followed = ''
  child.stdout!.on('data', (text: Buffer) => (followed += text.toString()))
  const all = await until(async () => {
    const lines = parseLines(await platform.ok(['logs', 'chatty', '--json']))
    return new Set(lines.map(({ instance }) => instance)).size === 2 ? lines : undefined
  })
  expect(all.filter(({ stream }) => stream === 'stderr').map(({ line }) => line)).toContain('trouble')
  expect(all.map(({ time }) => time)).toEqual(all.map(({ time }) => time).sort())
  expect(parseLines(await platform.ok(['logs', 'chatty', '--json', '--tail', '1']))).toHaveLength(1)
  expect(await platform.ok(['logs', 'chatty', '--since', '2099-01-01'])).toBe('')
  await platform.ok(['scale', 'chatty', '3'])
  await until(async () => {
    await call('chatty')
    return new Set(parseLines(followed).map(({ instance }) => instance)).size === 3 || undefined
  })
  child.kill('SIGINT')
  await new Promise(resolve => child.once('exit', resolve))
})

test('secrets reach the function as variables and files, and appear nowhere else', async () => {
  const code = `import { readFileSync } from 'node:fs'
    export const keeper = () => Response.json([process.env.KEY, readFileSync((process.env.RYO_FAAS_SECRETS_DIR ?? '/run/secrets') + '/KEY', 'utf8')])`
  const file = await project('secret', { keeper: { code, options: { secrets: ['KEY'], env: { PLAIN: 'x' } } } })
  const missing = await platform.cli(['deploy', file])
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('ryo-faas secrets set KEY') })
  await platform.ok(['secrets', 'set', 'KEY'], { input: 'hush\n' })
  await platform.ok(['deploy', file])
  expect(JSON.parse(await call('keeper'))).toEqual(['hush', 'hush'])
  expect(await platform.ok(['secrets', 'list'])).toBe('KEY\n')
  for (const args of [
    ['details', 'keeper', '--json'],
    ['list', '--json'],
    ['env', '--json'],
  ])
    expect(await platform.ok(args)).not.toContain('hush')
  for (const name of await readdir(join(platform.home, 'logs'))) {
    const path = join(platform.home, 'logs', name)
    if ((await stat(path)).isFile()) expect(await readFile(path, 'utf8')).not.toContain('hush')
  }
  // The code is the same, but its environment is not.
  await platform.ok(['secrets', 'set', 'KEY'], { input: 'another\n' })
  await platform.ok(['deploy', file])
  expect(JSON.parse(await call('keeper'))).toEqual(['another', 'another'])
  expect(await platform.ok(['deploy', file])).toContain('unchanged')
  expect(await readFile(join(platform.home, 'state.json'), 'utf8')).not.toContain('hush')
  expect((await stat(join(platform.home, 'secrets/KEY'))).mode & 0o777).toBe(0o600)
  await platform.ok(['secrets', 'delete', 'KEY', '--yes'])
  expect(await platform.ok(['secrets', 'list'])).toBe('')
})

test('--only deploys what it names, --build-only switches nothing', async () => {
  const file = await project('two', {
    one: { code: `export const one = () => new Response('1')` },
    two: { code: `export const two = () => new Response('2')` },
  })
  expect(await platform.ok(['deploy', '--only', 'ONE', file])).not.toContain('two')
  expect(await platform.ok(['deploy', file, '--build-only'])).toMatch(/two v1 built/)
  expect((await platform.cli(['invoke', 'two'])).code).toBe(1)
  expect(await call('one')).toBe('1')
})

test('rollback goes to the previous or a given version, without a rebuild; deploying again goes forward', async () => {
  const at = (text: string) =>
    project('versions', { turn: { code: `export const turn = () => new Response('${text}')` } })
  for (const text of ['a', 'b', 'c']) await platform.ok(['deploy', await at(text)])
  expect(await platform.ok(['rollback', 'turn'])).toBe('turn is now on v2\n')
  expect(await call('turn')).toBe('b')
  await platform.ok(['rollback', 'turn', '3'])
  expect(await call('turn')).toBe('c')
  expect(await platform.cli(['rollback', 'turn', '9'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Kept versions: 1, 2, 3'),
  })
  await platform.ok(['deploy', await at('a')])
  expect(await platform.details('turn')).toMatchObject({ version: 4 })
  expect(await call('turn')).toBe('a')
})

test('a schedule calls its function; it can be listed, run at once, paused and resumed', async () => {
  const code = `let ran: string[] = []
    export const jobs = async (request: Request) => {
      if (request.method === 'GET') return Response.json(ran)
      ran.push(request.headers.get('x-schedule') + ' ' + new URL(request.url).pathname + ' ' + (await request.text()))
      return new Response()
    }`
  const schedule = [
    { every: '1s', path: '/often', body: { n: 1 } },
    { name: 'yearly', cron: '0 0 1 1 *', zone: 'Europe/London', body: 'hello' },
  ]
  await platform.ok(['deploy', await project('clock', { jobs: { code, options: { schedule } } })])
  const ran = async () => JSON.parse(await call('jobs')) as string[]
  await until(async () => (await ran()).filter(line => line === 'every 1s /often {"n":1}').length > 1 || undefined)
  await platform.ok(['schedules', 'pause', 'jobs', 'every 1s'])
  const listed = JSON.parse(await platform.ok(['schedules', '--json'])) as { label: string; isPaused?: boolean }[]
  expect(listed).toMatchObject([
    { name: 'jobs', label: 'yearly', nextAt: expect.stringMatching(/-01-01T00:00:00.000Z$/) },
    { name: 'jobs', label: 'every 1s', isPaused: true },
  ])
  expect(await platform.ok(['details', 'jobs'])).toMatch(
    /yearly: \d{4}-01-01 [^]*every 1s: paused|every 1s: paused[^]*yearly: /,
  )
  expect(await platform.cli(['schedules', 'run', 'jobs'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('say which'),
  })
  expect(await platform.cli(['schedules', 'run', 'jobs', 'hourly'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('It has: "every 1s", "yearly"'),
  })
  const id = await platform.ok(['schedules', 'run', 'jobs', 'yearly'])
  await until(async () => (await ran()).includes('yearly / "hello"') || undefined)
  expect(await platform.ok(['calls', 'show', id.trim()])).toContain('succeeded')
  const before = (await ran()).length
  await platform.ok(['schedules', 'resume', 'jobs', 'every 1s'])
  await until(async () => (await ran()).length > before || undefined)
  await platform.ok(['stop', 'jobs'])
})

test('limits and files of deploy.json reach the function', async () => {
  const file = await project('limits', {
    slow: {
      code: `import { readFileSync } from 'node:fs'
        export const slow = async (request: Request) => {
          const { pathname } = new URL(request.url)
          if (pathname === '/file') return new Response(readFileSync(new URL('./data/note.txt', import.meta.url)))
          if (pathname === '/sleep') await new Promise(resolve => request.signal.addEventListener('abort', () => { console.log('aborted'); resolve(0) }))
          return new Response(await request.text())
        }`,
      options: { timeoutMs: 2_000, instances: 1, concurrency: 1, bodyLimitMb: 0.001, files: ['data/**'] },
    },
  })
  await mkdir(join(platform.home, 'limits/slow/data'), { recursive: true })
  await writeFile(join(platform.home, 'limits/slow/data/note.txt'), 'noted')
  await platform.ok(['deploy', file])
  expect(await call('slow/file')).toBe('noted')
  const both = await Promise.all([
    fetch(`${view.proxyUrl}/functions/slow/sleep`),
    fetch(`${view.proxyUrl}/functions/slow/sleep`),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual([429, 504])
  await until(async () => ((await platform.ok(['logs', 'slow'])).includes('aborted') ? true : undefined))
  const tooMuch = await fetch(`${view.proxyUrl}/functions/slow`, { method: 'POST', body: 'x'.repeat(2000) })
  expect([tooMuch.status, tooMuch.headers.get('x-ryo-faas-error')]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
})

test('invoke sends method, headers, path and body, and exits 1 on an error status', async () => {
  const code = `export const mirror = async (request: Request) => Response.json(
    { method: request.method, url: new URL(request.url).pathname, tag: request.headers.get('x-tag'), body: await request.text() },
    { status: request.headers.has('x-fail') ? 418 : 200 })`
  await platform.ok(['deploy', await project('mirror', { mirror: { code } })])
  const args = ['invoke', 'mirror', '-X', 'PUT', '-H', 'x-tag: t', '--path', '/p', '--data', '-']
  expect(JSON.parse(await platform.ok(args, { input: 'from stdin' }))).toEqual({
    method: 'PUT',
    url: '/p',
    tag: 't',
    body: 'from stdin',
  })
  const failed = await platform.cli(['invoke', 'mirror', '-H', 'x-fail: 1', '--json'])
  expect(failed.code).toBe(1)
  expect(JSON.parse(failed.stdout)).toMatchObject({ status: 418 })
})

test('prune removes what no version needs; reset removes everything', async () => {
  await platform.ok(['stop', 'mirror', 'turn'])
  const unused = (JSON.parse(await platform.ok(['list', '--json'])) as ResourceView[]).filter(
    ({ state }) => state === 'unused',
  )
  expect(unused.length).toBeGreaterThan(1)
  expect(await platform.ok(['prune'])).toMatch(new RegExp(`${unused.length} removed`))
  expect(await platform.ok(['prune'])).toMatch(/^0 removed/)
  expect(await platform.ok(['reset', '--yes'])).toMatch(/removed: .*seen/)
  expect(JSON.parse(await platform.ok(['list', '--json']))).not.toContainEqual(
    expect.objectContaining({ type: 'instance' }),
  )
})

test('env shows the configuration, completion knows commands, help knows every option', async () => {
  expect(await platform.ok(['env'])).toMatch(new RegExp(`home\\s+${platform.home}`))
  expect(await platform.ok(['completion'])).toMatch(/ryo-faas/)
  expect(await platform.ok(['--get-yargs-completions', 'ryo-faas', 'st'])).toMatch(/startFaas[^]*stopFaas/)
  expect(await platform.ok(['startFaas', '--help'])).toMatch(/--proxy-workers[^]*RYO_FAAS_PROXY_WORKERS/)
})

describe('the agent API', () => {
  const agent = async () => JSON.parse(await readFile(join(platform.home, 'agent.json'), 'utf8')) as { url: string }
  const token = () => readFile(join(platform.home, 'token'), 'utf8')
  const status = async (path: string, headers: Record<string, string>) => {
    const { url } = await agent()
    return new Promise<number>((resolve, reject) =>
      request(url + path, { headers }, response => resolve(response.resume().statusCode!))
        .once('error', reject)
        .end(),
    )
  }

  test('needs the token, which only its owner can read', async () => {
    expect(await status('/v1/platform', {})).toBe(401)
    expect(await status('/v1/platform', { authorization: 'Bearer wrong' })).toBe(401)
    expect(await status('/v1/platform', { authorization: `Bearer ${await token()}` })).toBe(200)
    expect((await stat(join(platform.home, 'token'))).mode & 0o777).toBe(0o600)
  })

  test('refuses web pages and foreign host names', async () => {
    const authorization = `Bearer ${await token()}`
    expect(await status('/v1/platform', { authorization, origin: 'http://localhost:3000' })).toBe(403)
    expect(await status('/v1/platform', { authorization, host: 'evil.example' })).toBe(403)
    expect(await status('/healthz', { host: 'evil.example' })).toBe(403)
    expect(await status('/healthz', {})).toBe(200)
  })

  test('describes every route as OpenAPI, and responds to garbage as the contract says', async () => {
    const { url } = await agent()
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, object>
    }
    expect(document.openapi).toMatch(/^3\./)
    for (const { path, method } of Object.values(API)) {
      expect(document.paths[path.replace(/:(\w+)/g, '{$1}')]).toHaveProperty(method.toLowerCase())
    }
    const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' }
    const bad = await fetch(`${url}/v1/deploys`, { method: 'POST', headers, body: '{"file": 1}' })
    expect([bad.status, await bad.json()]).toMatchObject([400, { error: { code: 'INVALID_REQUEST' } }])
    const broken = await fetch(`${url}/v1/deploys`, { method: 'POST', headers, body: '{' })
    expect(await broken.json()).toMatchObject({ error: { code: 'INVALID_REQUEST' } })
    expect(await (await fetch(`${url}/nowhere`, { headers })).json()).toMatchObject({
      error: { code: 'ROUTE_NOT_FOUND' },
    })
    expect(await (await fetch(`${url}/metrics`, { headers })).text()).toMatch(/process_cpu_seconds_total/)
  })
})

function parseLines(text: string): LogLine[] {
  return text
    .split('\n')
    .filter(line => line.endsWith('}'))
    .map(line => JSON.parse(line) as LogLine)
}
