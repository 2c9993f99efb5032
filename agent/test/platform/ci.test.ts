/** A pipeline deploys with `agent/ci/deploy.sh` and a token of its own; the GitHub Action is the same script. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readAgentFile } from '../../src/client/index.ts'
import { TestPlatform, writeProject, type CliResult } from '../support/platform.ts'

const FOLDER = fileURLToPath(new URL('../../ci/', import.meta.url))
const SCRIPT = join(FOLDER, 'deploy.sh')
const hello = (text: string) => ({
  code: `export const hello = () => new Response('${text}')`,
  options: { export: 'hello' },
})

interface Action {
  inputs: Record<string, { description: string; required?: boolean; default?: string }>
  runs: { using: string; steps: { run: string; shell: string; env: Record<string, string> }[] }
}

let platform: TestPlatform
/** Of the machine of the pipeline, on which no platform is. */
let home: string
let project: string
let proxyUrl: string
let access: { RYO_FAAS_SERVER: string; RYO_FAAS_SERVER_TOKEN: string }

function deploy(environment: NodeJS.ProcessEnv, args: string[] = []): Promise<CliResult> {
  const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`
  const { NODE_COMPILE_CACHE } = platform.environment
  const env = { PATH, RYO_FAAS_HOME: home, HOME: home, NO_COLOR: '1', NODE_COMPILE_CACHE, ...environment }
  return new Promise(resolve => {
    execFile('sh', [SCRIPT, ...args], { env, cwd: home }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr })
    })
  })
}
const answer = async (name: string) => (await fetch(`${proxyUrl}/functions/${name}`)).text()

beforeAll(async () => {
  platform = await TestPlatform.make()
  home = await mkdtemp(join(tmpdir(), 'rfa-ci-'))
  project = join(home, 'with a space')
  ;({ proxyUrl } = await platform.start('process'))
  await writeProject(project, { 'staging-shop': hello('staging'), shop: hello('production') })
  const args = ['token', 'create', 'ci', '--can', 'deploy', '--for', 'staging-*', '--json']
  const { token } = JSON.parse(await platform.ok(args)) as { token: string }
  const { agent } = (await readAgentFile(platform.home))!
  access = { RYO_FAAS_SERVER: agent.url, RYO_FAAS_SERVER_TOKEN: token }
})
afterAll(async () => {
  await platform.remove()
  await rm(home, { recursive: true, force: true })
})

test('a folder is deployed with a token for its names; others are refused, and a second time changes nothing', async () => {
  const first = await deploy({ ...access, DEPLOY_ONLY: 'staging-shop' }, [project])
  expect(first.stderr + first.stdout).toContain('staging-shop v1')
  expect(first.code).toBe(0)
  expect(await answer('staging-shop')).toBe('staging')

  const outside = await deploy({ ...access, DEPLOY_WHAT: project, DEPLOY_ONLY: 'shop' })
  expect(outside).toMatchObject({ code: 1 })
  expect(outside.stderr).toContain('staging-*')
  expect((await platform.cli(['details', 'shop'])).stderr).toContain('DEPLOYMENT_NOT_FOUND')

  const again = await deploy({ ...access, DEPLOY_WHAT: project, DEPLOY_ONLY: 'staging-shop' })
  expect(again.code).toBe(0)
  expect((await platform.details('staging-shop')).versions).toHaveLength(1)
})

test('an artefact is deployed if it has the digest', async () => {
  await writeProject(join(home, 'app'), { 'staging-app': hello('from the artefact') })
  const file = join(home, 'app.ryo')
  const { digest } = JSON.parse(
    await platform.ok(['deploy', join(home, 'app'), '--build-only', '--out', file, '--json']),
  ) as { digest: string }
  const other = await deploy({ ...access, DEPLOY_DIGEST: digest.replace(/^./, first => (first === '0' ? '1' : '0')) }, [
    'app.ryo',
  ])
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('digest') as string })
  expect(await deploy({ ...access, DEPLOY_DIGEST: digest }, ['app.ryo'])).toMatchObject({ code: 0 })
  expect(await answer('staging-app')).toBe('from the artefact')
})

test('what is missing or wrong is said, with what to do', async () => {
  const { RYO_FAAS_SERVER, RYO_FAAS_SERVER_TOKEN } = access
  const other = RYO_FAAS_SERVER_TOKEN.slice(0, -1) + (RYO_FAAS_SERVER_TOKEN.endsWith('a') ? 'b' : 'a')
  // Nothing is to be built before it fails.
  const cases: [NodeJS.ProcessEnv, string[], RegExp][] = [
    [{ RYO_FAAS_SERVER_TOKEN }, ['app.ryo'], /no server: set RYO_FAAS_SERVER/],
    [{ RYO_FAAS_SERVER }, ['app.ryo'], /no token: .*token create ci/],
    [access, ['absent'], /there is no "absent"/],
    [{ ...access, RYO_FAAS_SERVER_TOKEN: other }, ['app.ryo'], /is the token one of its own|token is not known/],
    [{ ...access, RYO_FAAS_SERVER_TOKEN: 'ryotoken_unknown' }, ['app.ryo'], /is the token one of its own/],
    [{ ...access, RYO_FAAS_SERVER: 'http://faas.example' }, ['app.ryo'], /https:\/\//],
    [{ ...access, RYO_FAAS_SERVER: 'http://127.0.0.1:1' }, ['app.ryo'], /Does the platform run there/],
  ]
  for (const [environment, args, message] of cases) {
    const { code, stderr } = await deploy(environment, args)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain(RYO_FAAS_SERVER_TOKEN)
    expect(code).toBe(1)
  }
  expect((await deploy({ GITHUB_ACTIONS: 'true' })).stdout).toMatch(/^::error title=ryo-faas::no server/)
})

test('text of an input is never run', async () => {
  const evil = '"; echo "taken over" >&2; $(echo taken-over >&2) `echo taken-over >&2` *'
  for (const each of [{ DEPLOY_ENV: evil }, { DEPLOY_ONLY: evil }, { DEPLOY_WHAT: evil }]) {
    const { code, stderr } = await deploy({ ...access, DEPLOY_WHAT: project, ...each })
    expect(code).not.toBe(0)
    expect(stderr).not.toMatch(/^taken.over$/m)
  }
})

test('the action runs this script, and its inputs are variables of it', async () => {
  const { inputs, runs } = parse(await readFile(join(FOLDER, 'action.yml'), 'utf8')) as Action
  const script = await readFile(SCRIPT, 'utf8')
  expect(runs.using).toBe('composite')
  expect(runs.steps).toHaveLength(1)
  const { run, env } = runs.steps[0]!
  expect(run).toBe('sh "$GITHUB_ACTION_PATH/deploy.sh"')
  const used = Object.values(env).map(value => /^\$\{\{ inputs\.(\w+) \}\}$/.exec(value)?.[1])
  expect(used.toSorted()).toEqual(Object.keys(inputs).toSorted())
  for (const name of Object.keys(env)) expect(script).toMatch(new RegExp(`\\$\\{${name}:-`))
})

interface Services {
  services: Record<string, { image: string; volumes: string[] }>
  volumes: Record<string, null>
}

test('Compose and the stack keep the home in a volume, and the door to the agent is open only if asked for', async () => {
  const image = join(FOLDER, '../image')
  const read = async (name: string) => parse(await readFile(join(image, name), 'utf8')) as Services
  const [{ services, volumes }, stack] = await Promise.all([read('compose.yaml'), read('stack.yaml')])
  const dockerfile = await readFile(join(image, 'Dockerfile'), 'utf8')
  const [, home] = /^VOLUME (.+)$/m.exec(dockerfile)!
  expect(services['platform']!.volumes).toEqual([`home:${home}`])
  expect(dockerfile).toContain(`RYO_FAAS_HOME=${home} `)
  expect(services['door']).toMatchObject({ profiles: ['remote'], network_mode: 'service:platform' })
  expect(Object.keys(volumes)).toEqual(['home', 'certificates'])
  expect(stack.services['platform']!.image).toBe(services['platform']!.image)
  expect(stack.services['platform']!.volumes).toContain(`home:${home}`)
})
