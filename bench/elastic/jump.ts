/** How soon another instance answers when there are suddenly ten times as many calls. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { writeProject } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { ENGINES, startPlatform } from '../support/platform.ts'
import { until } from '../support/programs.ts'
import { figure, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const GOAL_MS = 100
const BEFORE = 2
const AFTER = 20
const CALL_MS = 300

/** The head of the answer says at once which process it is. */
const CODE = `const me = String(process.pid) + Math.random()
export const fn = () => {
  const body = new ReadableStream({
    start: controller => void setTimeout(() => { controller.enqueue(new TextEncoder().encode('ok')); controller.close() }, ${CALL_MS}),
  })
  return new Response(body, { headers: { 'x-me': me } })
}`

export async function jump(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 4 : 20
  const rows: string[][] = []
  const goals: Goal[] = []
  for (const engine of ENGINES) {
    const platform = await startPlatform(stage, engine, ['--pool', '2'])
    const options = { export: 'fn', concurrency: BEFORE, scale: { max: 10, idleMs: 300, keepMs: 0 } }
    const folder = join(stage.folder, `jump-${engine}`)
    await platform.ok(['deploy', await writeProject(folder, { jump: { code: CODE, options } })])
    const url = `${(await platform.view()).proxyUrl}/functions/jump`
    const client = await platform.client()
    const dispatcher = new Agent({ connections: 2 * AFTER })
    stage.onEnd(() => dispatcher.close())
    const found: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      stage.say(`load jump, ${engine}, ${round + 1} of ${rounds}`)
      await until(async () => {
        const { instances } = await client.call('deployment', { params: { name: 'jump' } })
        if (instances.length > 0) throw new Error('there are still instances')
      })
      // The pool is filled when it is quiet.
      await delay(1_000)
      found.push(await nextAnswerMs(url, dispatcher))
    }
    rows.push([`${engine}, ${BEFORE} → ${AFTER} calls at a time`, figure(median(found)), figure(quantile(found, 0.9))])
    goals.push({
      what: `load jumps tenfold: the next instance answers, ${engine}`,
      ...{ measured: median(found), unit: 'ms', bound: { kind: 'at most', limit: GOAL_MS } },
    })
  }
  const title = `Load jump: one instance, which may have ${BEFORE} calls at a time, is full; until the first byte from another one`
  return { tables: [{ title, head: ['', 'ms', 'p90'], rows }], goals }
}

async function nextAnswerMs(url: string, dispatcher: Agent): Promise<number> {
  const call = async () => {
    const response = await fetch(url, { dispatcher })
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
    return { me: response.headers.get('x-me'), at: performance.now(), end: response.text() }
  }
  const first = await call()
  const full = await Promise.all(Array.from({ length: BEFORE - 1 }, call))
  const begin = performance.now()
  const all = await Promise.all(Array.from({ length: AFTER - BEFORE }, call))
  await Promise.all([first, ...full, ...all].map(({ end }) => end))
  const others = all.filter(({ me }) => me !== first.me).map(({ at }) => at - begin)
  if (others.length === 0) throw new Error('there was no other instance')
  return Math.min(...others)
}
