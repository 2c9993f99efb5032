/**
 * Another release takes the place of the one that runs, under load. It is a copy of what was built, with a name of its
 * own, as a server has it after an upgrade.
 */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/load.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

/** Between two calls of one caller: with all that the machine can do, a start takes many times as long. */
const PAUSE_MS = 20

const AGENT = fileURLToPath(new URL('../../', import.meta.url))

let folder: string
let platform: TestPlatform

/** A copy of this checkout's build as another release. @returns its program */
async function release(name: string, { version }: { version?: string } = {}): Promise<string> {
  const root = join(folder, name, 'agent')
  await mkdir(root, { recursive: true })
  await cp(join(AGENT, 'bundle'), join(root, 'bundle'), { recursive: true })
  const manifest = JSON.parse(await readFile(join(AGENT, 'package.json'), 'utf8')) as object
  await writeFile(join(root, 'package.json'), JSON.stringify({ ...manifest, build: name, ...(version && { version }) }))
  await symlink(join(AGENT, '..', 'node_modules'), join(folder, name, 'node_modules'))
  return join(root, 'bundle', 'main', 'cli.cjs')
}
const described = async (response: Response) => `${response.status} ${(await response.text()).trim()}`
const as = (program: string) => new TestPlatform(platform.home, platform.environment, program)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-release-'))
  platform = await TestPlatform.make({}, await release('one'))
  await platform.start('process')
  const file = await writeProject(join(platform.home, 'project'), {
    greet: { code: `export const greet = () => new Response('hello')` },
    job: { code: `export const job = async (r: Request) => new Response(await r.text())`, options: { async: true } },
  })
  await platform.ok(['deploy', file])
})
afterAll(async () => {
  await platform.remove()
  await rm(folder, { recursive: true, force: true })
})

test('no call is lost or refused while another release takes over', async () => {
  const before = await platform.view()
  const pidsOf = ({ parts }: typeof before) => Object.fromEntries(parts.map(({ name, pid }) => [name, pid]))
  const sync = startLoad(`${before.proxyUrl}/functions/greet`, { connections: 16, pauseMs: PAUSE_MS })
  const opening = { isOver: false, failures: [] as string[] }
  // Each on a connection of its own.
  const opener = (async () => {
    while (!opening.isOver) {
      const headers = { connection: 'close' }
      const response = await fetch(`${before.proxyUrl}/functions/greet`, { headers }).catch((error: Error) => error)
      if (response instanceof Error) opening.failures.push(String(response))
      else if (response.status !== 200) opening.failures.push(await described(response))
      else await response.text()
      await pause(PAUSE_MS)
    }
  })()
  const accepted: string[] = []
  const refused: string[] = []
  const asker = (async () => {
    while (!opening.isOver) {
      const response = await fetch(`${before.proxyUrl}/functions/job`, { method: 'POST', body: 'x' }).catch(String)
      if (typeof response === 'string') refused.push(response)
      else if (response.status !== 202) refused.push(await described(response))
      else accepted.push(response.headers.get('x-call-id')!)
      await pause(PAUSE_MS)
    }
  })()
  await sync.after(200)
  const next = as(await release('two'))
  expect(await next.ok(['startFaas', '--take-over'])).toContain('took over from')
  await sync.after(200)
  opening.isOver = true
  await Promise.all([opener, asker])
  const { failures } = await sync.stop()
  const after = await next.view()
  expect(after).toMatchObject({ build: 'two', proxyUrl: before.proxyUrl, phase: { kind: 'ready' } })
  const [old, now] = [pidsOf(before), pidsOf(after)]
  for (const name of ['agent', 'proxy', 'store', 'dispatcher', 'keeper']) expect(now[name], name).not.toBe(old[name])
  expect(now['nats']).toBe(old['nats'])
  expect({ failures, opened: opening.failures, refused }).toEqual({ failures: [], opened: [], refused: [] })
  expect(accepted.length).toBeGreaterThan(10)
  for (const id of accepted) {
    await until(async () => {
      const { status } = (await (await fetch(`${before.proxyUrl}/calls/${id}`)).json()) as { status: string }
      return status === 'succeeded' || undefined
    })
  }
  // The old proxy ends once what it had begun is done.
  await until(async () => (isGone(old['proxy']!) ? true : undefined))
  expect(await next.ok(['invoke', 'greet'])).toBe('hello')
}, 120_000)

test('an older release cannot take over, and says how to go back', async () => {
  const older = as(await release('older', { version: '0.0.9' }))
  const { code, stderr } = await older.cli(['startFaas', '--take-over'])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/newer than 0\.0\.9.*restore.*--replace|\[UNSUPPORTED\]/s)])
  expect(await platform.ok(['invoke', 'greet'])).toBe('hello')
})

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}
