/** Functions leave the platform: as objects that kubectl reads, and as pods that answer. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { SecretStore } from '../../src/secrets/index.ts'
import { dryRun } from '../support/kubectl.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { Podman } from '../support/podman.ts'
import { until } from '../support/until.ts'

/** What YAML 1.1 would read as something else. */
const TRAPS = {
  ...{ SWITCH: 'yes', OCTAL: '010', TIME: '12:30:45', FLOAT: '1e3', NONE: '~', BIG: '1_000', EMPTY: '', HEX: '0x1F' },
  ...{ LINES: 'a\n  b\n\n', QUOTES: `"'\\`, COLON: 'a: b', SHARP: 'a #b', EQUALS: '=', DATE: '2001-01-01', END: '---' },
  ...{ MERGE: '<<', CHARACTERS: 'ü\u0085\u2028\u0007', LONG: 'word '.repeat(100), TAG: '!!int 3', ANCHOR: '&a *a' },
}

const CODE = `
  import { readFileSync } from 'node:fs'
  const ended = new Promise<void>(resolve => process.once('SIGTERM', () => resolve()))
  export const hello = async (request: Request) => {
    switch (new URL(request.url).pathname) {
      case '/last':
        await ended
        return new Response('finished')
      case '/secret':
        return new Response([process.env.KEY, readFileSync('/run/secrets/KEY', 'utf8')].join())
      default:
        return new Response('hello from ' + process.getuid!())
    }
  }`

let platform: TestPlatform
let folder: string
beforeAll(async () => {
  platform = await TestPlatform.make()
  folder = join(platform.home, 'project')
  await writeProject(folder, { hello: { code: CODE, options: { env: TRAPS, secrets: ['KEY'] } } })
  await new SecretStore(platform.home).set('KEY', 'v4lue')
})
afterAll(() => platform.remove())

// What is written is compared in `export/manifests.test.ts` and read by kubectl below.
test('a deploy.json becomes a pod that answers, and finishes what it has begun', async () => {
  const [out, images] = [join(platform.home, 'out'), join(platform.home, 'images.tar')]
  const options = ['--images', images, '--out', out, '--with-secrets']
  await platform.ok(['export', 'kubernetes', '--file', 'deploy.json', ...options], { cwd: folder })
  expect((await readdir(out)).sort()).toEqual(['hello-secrets.yaml', 'hello.yaml'])
  const [secrets, objects] = [join(out, 'hello-secrets.yaml'), join(out, 'hello.yaml')]
  expect((await stat(secrets)).mode & 0o777).toBe(0o600)
  expect(await readFile(objects, 'utf8')).not.toContain('v4lue')

  const podman = await Podman.make()
  onTestFinished(() => podman.remove())
  expect(await podman.run('load', '--input', images)).toContain('localhost/')
  await podman.play(secrets)
  await podman.play(objects)
  const call = (path: string) => podman.call('hello-pod-function', path)
  expect(await until(() => call('/').catch(() => undefined))).toBe('hello from 65532')
  expect(await call('/secret')).toBe('v4lue,v4lue')

  const last = call('/last')
  await until(async () => /"inflight":1/.test(await call('/.ryo-faas/health')) || undefined)
  const [ended] = await Promise.all([last, podman.run('pod', 'stop', 'hello-pod')])
  expect(ended).toBe('finished')
  expect(await podman.run('inspect', 'hello-pod-function', '--format', '{{.State.ExitCode}}')).toBe('0')
})

test('kubectl reads every value as it was written', async () => {
  const out = join(platform.home, 'read')
  await platform.ok(['export', 'kubernetes', '--file', 'deploy.json', '--out', out, '--with-secrets'], { cwd: folder })
  const read = await dryRun(out)
  expect(read.map(({ kind }) => kind).sort()).toEqual(['Deployment', 'NetworkPolicy', 'Secret', 'Service'])
  const deployment = read.find(({ kind }) => kind === 'Deployment') as unknown as {
    spec: { template: { spec: { containers: { env: { name: string; value: string }[] }[] } } }
  }
  const env = deployment.spec.template.spec.containers[0]!.env
  const values = Object.fromEntries(env.map(({ name, value }) => [name, value]))
  expect(values).toMatchObject(TRAPS)
})
