/** A platform whose schedules follow a clock of tests. */
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChildProcess } from 'node:child_process'
import { furtherTest } from '../support/further-test.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

const CODE = `const at: string[] = []
  export const ticks = (request: Request) => {
    if (request.method === 'GET') return Response.json(at)
    at.push(request.headers.get('x-scheduled-at')!.slice(11, 16))
    return new Response()
  }`
const OPTIONS = { instances: 1, schedule: [{ every: '1h' }] }

let platform: TestPlatform
let dev: ChildProcess
let proxyUrl: string
beforeAll(async () => {
  const free = { RYO_FAAS_PORT: '0', RYO_FAAS_AGENT_PORT: '0', RYO_FAAS_NATS_PORT: '0', RYO_FAAS_STORE_PORT: '0' }
  platform = await TestPlatform.make({ ...free, RYO_FAAS_ENGINE: 'process', RYO_FAAS_DISPATCHERS: '2' })
  platform.environment['RYO_FAAS_PROJECT'] = platform.project
  const file = await writeProject(join(platform.home, 'project'), { ticks: { code: CODE, options: OPTIONS } })
  dev = platform.spawnCli(['dev', file, '--clock', '2030-01-01T12:00:00Z'])
  proxyUrl = (await until(async () => platform.details('ticks').then(platform.view.bind(platform), () => undefined)))
    .proxyUrl
})
afterAll(async () => {
  if (dev.exitCode === null && dev.signalCode === null) {
    dev.kill('SIGKILL')
    await once(dev, 'exit')
  }
  await platform.remove()
})

const ticks = async () => (await (await fetch(`${proxyUrl}/functions/ticks`)).json()) as string[]

async function kill(name: string): Promise<void> {
  const pidOf = async () => {
    const seen = await platform.view().catch(() => undefined)
    const part = seen?.phase.kind === 'ready' ? seen.parts.find(part => part.name === name) : undefined
    return part?.state === 'running' ? part.pid : undefined
  }
  const before = await until(pidOf)
  process.kill(before, 'SIGKILL')
  await until(async () => {
    const pid = await pidOf()
    return (pid !== undefined && pid !== before) || undefined
  })
}

test('schedules run at each of their times when it is set forward, and the next is shown', async () => {
  expect(await platform.ok(['clock'])).toBe('2030-01-01T12:00:00.000Z (a clock of tests)\n')
  expect(await platform.ok(['clock', 'forward', '3h'])).toBe('2030-01-01T15:00:00.000Z\n')
  expect(await ticks()).toEqual(['13:00', '14:00', '15:00'])
  expect(await platform.ok(['schedules'])).toContain('2030-01-01')
  expect((await platform.details('ticks')).triggers).toMatchObject([{ nextAt: '2030-01-01T16:00:00.000Z' }])
  expect(await platform.view()).toMatchObject({ clock: { kind: 'still', now: '2030-01-01T15:00:00.000Z' } })
})

test('it cannot go back, and no other can be chosen while the platform runs', async () => {
  expect(await platform.cli(['clock', 'set', '2029-01-01T00:00:00Z'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('only be set forward'),
  })
  expect(await platform.cli(['clock', 'forward', 'tomorrow'])).toMatchObject({ code: 1 })
  for (const args of [['startFaas'], ['dev', join(platform.home, 'project')]]) {
    const { code, stderr } = await platform.cli([...args, '--clock', '2031-01-01T00:00:00Z'])
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('different --clock') })
  }
})

test('it is where it was after agent and dispatchers were killed, and "missed" holds when it is set', async () => {
  await kill('agent')
  await kill('dispatcher')
  await kill('dispatcher-2')
  expect(await platform.ok(['clock'])).toContain('15:00:00.000Z')
  await platform.ok(['clock', 'set', '2030-01-01T20:30:00Z'])
  await until(async () => ((await ticks()).length > 3 ? true : undefined))
  expect(await ticks()).toEqual(['13:00', '14:00', '15:00', '20:00'])
})

test('what is paused does not run, and goes on from where the clock is', async () => {
  const ran = await ticks()
  await platform.ok(['schedules', 'pause', 'ticks'])
  await platform.ok(['clock', 'forward', '4h'])
  expect(await ticks()).toEqual(ran)
  await platform.ok(['schedules', 'resume', 'ticks'])
  await platform.ok(['clock', 'forward', '1h'])
  expect(await ticks()).toEqual([...ran, '01:30'])
})

test('scheduled(event) of a Worker gets each time, and schedules run calls it now; nobody else can', async () => {
  const code = `const ran: unknown[] = []
    export default {
      fetch: () => Response.json(ran),
      async scheduled(event: { cron: string; scheduledTime: number }, env: { WHO?: string }, ctx: { waitUntil(work: Promise<unknown>): void }) {
        ctx.waitUntil(Promise.resolve().then(() => ran.push([event.cron, new Date(event.scheduledTime).toISOString(), env.WHO])))
      },
    }`
  const options = { instances: 1, env: { WHO: 'me' }, schedule: [{ name: 'half', cron: '30 * * * *' }] }
  await platform.ok(['deploy', await writeProject(join(platform.home, 'worker'), { nightly: { code, options } })])
  const url = `${proxyUrl}/functions/nightly`
  const ran = async () => (await (await fetch(url)).json()) as string[][]
  await platform.ok(['clock', 'forward', '2h'])
  const expected = ['02:30', '03:30'].map(time => ['30 * * * *', `2030-01-02T${time}:00.000Z`, 'me'])
  await until(async () => ((await ran()).length >= 2 ? true : undefined))
  expect(await ran()).toEqual(expected)
  const { callId } = JSON.parse(await platform.ok(['schedules', 'run', 'nightly', 'half', '--json'])) as {
    callId: string
  }
  await until(async () => ((await ran()).length > 2 ? true : undefined))
  expect((await ran()).at(-1)).toEqual(['30 * * * *', '2030-01-02T03:30:00.000Z', 'me'])
  // It has run before its answer is written down.
  await until(async () => (await platform.ok(['calls', 'show', callId])).includes('succeeded') || undefined)
  const init = { method: 'POST', headers: { prefer: 'respond-async', 'content-type': 'application/cloudevents+json' } }
  const forged = await fetch(`${url}/.ryo-faas/events/scheduled`, { ...init, body: '{}' })
  expect(forged.status).toBe(404)
  const { triggers } = await platform.details('nightly')
  expect(triggers).toMatchObject([{ isEvent: true }])
})

furtherTest('a platform that starts without it has the real clock, and its schedules have not run ahead', async () => {
  dev.kill('SIGINT')
  await new Promise(resolve => dev.once('exit', resolve))
  await platform.start('process')
  expect(await platform.ok(['clock'])).toContain('the real clock')
  const { triggers } = await platform.details('ticks')
  const { nextAt } = triggers[0] as { nextAt: string }
  expect(Date.parse(nextAt) - Date.now()).toBeLessThanOrEqual(3_600_000)
  expect(await platform.cli(['clock', 'forward', '1h'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/NO_TEST_CLOCK[^]*dev --clock/),
  })
})
