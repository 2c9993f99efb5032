/** A running platform moves to another engine and back while its functions are called. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/load.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

const IN_CONTAINER = '65532'
/** Between two calls of one caller: with all that the machine can do, a move takes many times as long. */
const PAUSE_MS = 20

let platform: TestPlatform
let proxyUrl: string
beforeAll(async () => {
  platform = await TestPlatform.make()
  proxyUrl = (await platform.start('process')).proxyUrl
  const where = `String(process.getuid!())`
  const file = await writeProject(join(platform.home, 'project'), {
    greet: { code: `export const greet = () => new Response(${where})`, options: { instances: 2 } },
    asleep: { code: `export const asleep = () => new Response(${where})`, options: { scale: { idleMs: 100 } } },
    kept: {
      code: `
        import { store } from '@ryo-faas/runtime'
        export const kept = async () => {
          await store('seen').create({ by: ${where} })
          return new Response(${where})
        }`,
      options: { async: true },
    },
  })
  await platform.ok(['deploy', file])
})
afterAll(() => platform.remove())

const call = async (name: string) => (await fetch(`${proxyUrl}/functions/${name}`)).text()
const seenBy = async () => {
  const answer = (await (await (await platform.store())('/tables/seen/docs?limit=1000')).json()) as {
    documents: { data: { by: string } }[]
  }
  return new Set(answer.documents.map(({ data }) => data.by))
}
const instances = async (name: string) => (await platform.details(name)).instances

test('no call is lost, whether it waits for an answer or not, and what sleeps wakes on the other engine', async () => {
  await until(async () => (await instances('asleep')).every(({ state }) => state !== 'ready') || undefined)
  const here = await call('greet')
  for (const [engine, where] of [
    ['docker', IN_CONTAINER],
    ['process', here],
  ] as const) {
    const load = startLoad(`${proxyUrl}/functions/greet`, { connections: 8, pauseMs: PAUSE_MS })
    const accepted: string[] = []
    const asking = { isOver: false, refused: [] as string[] }
    const asker = (async () => {
      while (!asking.isOver) {
        const response = await fetch(`${proxyUrl}/functions/kept`, { method: 'POST' }).catch(String)
        if (typeof response === 'string' || response.status !== 202) asking.refused.push(String(response))
        else accepted.push(response.headers.get('x-call-id')!)
        await delay(PAUSE_MS)
      }
    })()
    await load.after(50)
    expect(await platform.ok(['startFaas', '--take-over', '--engine', engine])).toContain(`on ${engine} instead of`)
    // While all starts at once, the agent of a busy machine may be late.
    const count = async () => (await instances('greet').catch(() => [])).length
    await until(async () => ((await call('greet')) === where && (await count()) === 2) || undefined)
    await load.after(50)
    asking.isOver = true
    await asker
    const { failures, bodies } = await load.stop()
    expect({ failures, refused: asking.refused }).toEqual({ failures: [], refused: [] })
    expect(bodies.get(where)).toBeGreaterThan(0)
    for (const id of accepted) {
      await until(async () => {
        const { status } = (await (await fetch(`${proxyUrl}/calls/${id}`)).json()) as { status: string }
        return status === 'succeeded' || undefined
      })
    }
    // From there they reach the store, too.
    expect(await seenBy()).toContain(where)
    expect(await call('asleep')).toBe(where)
    expect((await platform.view()).engine).toBe(engine)
  }
})

test('an agent that is killed in the middle of a move is followed by one that ends it', async () => {
  const before = (await platform.view()).parts.find(({ name }) => name === 'agent')!.pid!
  const load = startLoad(`${proxyUrl}/functions/greet`, { connections: 4, pauseMs: PAUSE_MS })
  const moving = platform.cli(['startFaas', '--take-over', '--engine', 'docker'])
  const agentOf = () => platform.view().then(({ parts }) => parts.find(({ name }) => name === 'agent')!.pid!)
  const next = await until(async () => {
    const pid = await agentOf().catch(() => before)
    return pid === before ? undefined : pid
  })
  process.kill(next, 'SIGKILL')
  await moving
  await until(
    async () => ((await call('greet')) === IN_CONTAINER && (await instances('greet')).length === 2) || undefined,
  )
  const { failures } = await load.stop()
  expect(failures).toEqual([])
})

test('an engine that cannot be used changes nothing, and is said', async () => {
  const agent = (await platform.view()).parts.find(({ name }) => name === 'agent')!.pid
  const { code, stderr } = await platform.cli(['startFaas', '--take-over', '--engine', 'swarm'])
  expect([code, stderr]).toEqual([70, expect.stringContaining('in no swarm')])
  const { parts, engine } = await platform.view()
  expect([parts.find(({ name }) => name === 'agent')!.pid, engine]).toEqual([agent, 'docker'])
  expect(await call('greet')).toBe(IN_CONTAINER)
})
