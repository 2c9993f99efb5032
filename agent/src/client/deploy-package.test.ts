/** The whole way of a package over a real API, up to the deploy itself. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { AuditLog, createApi, type Platform } from '../api/index.ts'
import { digestOf, type DeployEvent } from '../contract/index.ts'
import { PackageStore } from '../packages/index.ts'
import { builtOf, sha256Of } from '../packages/packages-testing.ts'
import { AgentClient } from './agent-client.ts'
import { deployPackage, type BuiltPackages, type UploadProgress } from './deploy-package.ts'

const token = 'the-token-of-the-operator'

async function stage() {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-upload-'))
  let packages = new PackageStore(join(folder, 'packages'))
  const deployed: unknown[] = []
  let answers: DeployEvent[] = [{ type: 'finished', deployed: 1, failed: 0, durationMs: 1 }]
  const received: number[] = []
  const deployer = () => ({
    packages: {
      announce: (manifests: Parameters<PackageStore['announce']>[0]) => packages.announce(manifests, new Set()),
      receive: async (tar: Readable) => {
        const outcome = await packages.receive(tar)
        received.push(outcome.stored)
        return outcome
      },
    },
    deployPackages: async (body: unknown, emit: (event: DeployEvent) => void) => {
      deployed.push(body)
      answers.forEach(emit)
    },
  })
  const audit = new AuditLog(join(folder, 'audit.jsonl'))
  const api = await createApi({
    ...{ token, version: '0', dashboard: '/nowhere', audit, logger: pino({ enabled: false }) },
    platform: { deployer, audit, following: () => undefined } as unknown as Platform,
  })
  onTestFinished(async () => {
    await api.close()
    await rm(folder, { recursive: true })
  })
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const client = new AgentClient({ url, token })
  return {
    ...{ url, client, audit, deployed, received },
    /** What the agent says of a deploy. */
    answer: (...events: DeployEvent[]) => (answers = events),
    contents: () => readdir(join(folder, 'packages', 'contents')).catch(() => []),
    restart: () => (packages = new PackageStore(join(folder, 'packages'))),
    deploy: async (built: BuiltPackages, options: Parameters<typeof deployPackage>[2] = {}) => {
      const events: DeployEvent[] = []
      for await (const event of deployPackage(client, built, options)) events.push(event)
      return events
    },
  }
}

test('packages are uploaded once, and deployed by their digests with the settings of this deploy', async () => {
  const { deploy, deployed, received, audit } = await stage()
  const large = 'x'.repeat(300_000)
  const built = builtOf({ 'main.mjs': 'one', 'data.txt': large }, { 'main.mjs': 'two', 'data.txt': large })
  const progress: UploadProgress[] = []
  const events = await deploy(built, { onProgress: step => progress.push(step), replace: true })
  expect(events.map(({ type }) => type)).toEqual(['finished'])
  expect(deployed).toMatchObject([
    {
      ...{ project: 'shop', file: 'shop/deploy.json', replace: true },
      functions: built.functions.map(({ entry, manifest }) => {
        return { package: digestOf(manifest), entry: { ...entry, packageDir: '.', filePath: 'main.mjs' } }
      }),
    },
  ])
  expect(progress[0]).toEqual({ sentBytes: 0, totalBytes: 300_006 })
  expect(progress.at(-1)).toEqual({ sentBytes: 300_006, totalBytes: 300_006 })
  // The second time there is nothing to send, and of a changed one only what is new.
  await deploy(built, { onProgress: ({ totalBytes }) => expect(totalBytes).toBe(0) })
  await deploy(builtOf({ 'main.mjs': 'three', 'data.txt': large }))
  expect(received).toEqual([3, 1])
  const digests = built.functions.map(({ manifest }) => digestOf(manifest).slice(0, 12))
  const actions = await audit.read({ limit: 10 })
  expect(actions.map(({ action }) => action)).toEqual(['deployPackages', 'deployPackages', 'deployPackages'])
  expect(actions.at(-1)!.target).toBe(`shop/deploy.json f0@${digests[0]} f1@${digests[1]}`)
})

test('no path of this machine is sent, and what comes back is about its files', async () => {
  const { deploy, deployed, answer } = await stage()
  const built = builtOf({ 'main.mjs': 'code' })
  const [first] = built.functions
  const place = { packageDir: '/home/ann/shop/api', filePath: '/home/ann/shop/api/src/main.mjs' }
  const entry = { ...first!.entry, ...place, env: { KEY: 'value' } }
  const ofAnn = { ...built, file: '/home/ann/shop/deploy.json', functions: [{ ...first!, entry, folders: ['/w/lib'] }] }
  const problem = { code: 'missing-secret', message: 'no secret KEY', file: 'shop/deploy.json', line: 1, column: 1 }
  const error = { code: 'CHECK_FAILED', message: '1 problem found', problems: [problem] } as const
  answer(
    { type: 'planned', names: ['f0'], folders: ['api'] },
    { type: 'finished', deployed: 0, failed: 0, durationMs: 1, error: { ...error, problems: [...error.problems] } },
  )
  const events = await deploy(ofAnn)
  expect(JSON.stringify(deployed)).not.toContain('ann')
  expect(deployed).toMatchObject([
    { functions: [{ entry: { packageDir: 'api', filePath: 'api/src/main.mjs', env: { KEY: 'value' } } }] },
  ])
  expect(events).toMatchObject([
    { folders: ['/home/ann/shop/api', '/w/lib'] },
    { error: { problems: [{ file: '/home/ann/shop/deploy.json' }] } },
  ])
})

test('an upload that broke off is resumed: what arrived is not sent again', async () => {
  const { deploy, contents, received } = await stage()
  const files = { 'main.mjs': 'code', 'z.txt': 'z'.repeat(1_000_000) }
  const built = builtOf(files)
  const abort = new AbortController()
  const stuck: BuiltPackages = {
    ...built,
    open: sha256 => {
      if (sha256 === sha256Of('code')) return built.open(sha256)
      return Readable.from(
        (async function* () {
          // Random, so that what is packed goes out at once.
          yield randomBytes(500_000)
          await untilTrue(async () => (await contents()).length === 1, 'the first file')
          abort.abort()
          yield Buffer.from('never read')
        })(),
      )
    },
  }
  await expect(deploy(stuck, { signal: abort.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await contents()).toEqual([sha256Of('code')])
  const totals: number[] = []
  await deploy(built, { onProgress: ({ totalBytes }) => totals.push(totalBytes) })
  expect(totals[0]).toBe(1_000_000)
  expect(received).toEqual([1])
})

test('an agent that was restarted between announcing and uploading is told again', async () => {
  const { deploy, restart, deployed } = await stage()
  const built = builtOf({ 'main.mjs': 'code' })
  let isFirst = true
  const open: BuiltPackages['open'] = sha256 => {
    if (isFirst) restart()
    isFirst = false
    return built.open(sha256)
  }
  await deploy({ ...built, open })
  expect(deployed.length).toBe(1)
})

test('content that changed since it was built is refused, with the reason of the agent', async () => {
  const { deploy, deployed, contents } = await stage()
  const built = builtOf({ 'main.mjs': 'code' })
  const lying = { ...built, open: () => Readable.from([Buffer.from('evil')]) }
  await expect(deploy(lying)).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  const failing = { ...built, open: () => Readable.from(failure()) }
  await expect(deploy(failing)).rejects.toThrow('the disk broke')
  expect([await contents(), deployed]).toEqual([[], []])
})

test('an upload needs the token, a tar, and nothing else; a bomb in it is cut off', async () => {
  const { url, client } = await stage()
  const send = (headers: Record<string, string>, body: string | Buffer = 'x') =>
    fetch(`${url}/v1/packages/contents`, { method: 'POST', headers, body: body as string })
  const authorization = `Bearer ${client.token}`
  const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code
  expect(await codeOf(await send({ 'content-type': 'application/x-tar' }))).toBe('UNAUTHORIZED')
  expect(await codeOf(await send({ authorization, 'content-type': 'application/json' }, '{}'))).toBe('INVALID_REQUEST')
  const tar = { authorization, 'content-type': 'application/x-tar' }
  expect(await codeOf(await send(tar))).toBe('PACKAGE_INVALID')
  expect(await codeOf(await send({ ...tar, 'content-encoding': 'gzip' }))).toBe('PACKAGE_INVALID')
  const empty = await fetch(`${url}/v1/packages/contents`, { method: 'POST', headers: { authorization } })
  expect(await codeOf(empty)).toBe('INVALID_REQUEST')
  // 20 MB of zeros, in 90 KB.
  const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024), { level: 1 })
  expect(await codeOf(await send({ ...tar, 'content-encoding': 'gzip' }, bomb))).toBe('PACKAGE_INVALID')
})

test('the agent refuses in the middle of a large upload, and the client says why', async () => {
  const { deploy, contents } = await stage()
  const large = randomBytes(3_000_000)
  const built = builtOf({ 'a.txt': 'first', 'main.mjs': large })
  const isLying = new Set([sha256Of('first')])
  const open: BuiltPackages['open'] = sha256 =>
    isLying.has(sha256) ? Readable.from([Buffer.from('FIRST')]) : built.open(sha256)
  await expect(deploy({ ...built, open })).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  expect(await contents()).toEqual([])
})

async function* failure(): AsyncGenerator<Buffer> {
  yield Buffer.from('co')
  throw new Error('the disk broke')
}

test('an agent that leads since the upload is sent the files too, before anything is begun', async () => {
  const { deploy, deployed, received, answer, restart } = await stage()
  const error = { code: 'PACKAGE_INCOMPLETE' as const, message: 'the package is not here' }
  answer({ type: 'finished', deployed: 0, failed: 0, durationMs: 1, error })
  const deploying = deploy(builtOf({ 'main.mjs': 'one' }))
  await untilTrue(() => deployed.length > 0, 'it is to be deployed')
  restart()
  answer({ type: 'finished', deployed: 1, failed: 0, durationMs: 1 })
  expect(await deploying).toEqual([{ type: 'finished', deployed: 1, failed: 0, durationMs: 1 }])
  expect([deployed.length, received.length]).toEqual([2, 1])
})
