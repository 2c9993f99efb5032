/** Many instances, one dispatcher or two: as long as nothing dies, each call runs exactly once. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PlatformView } from '../../src/contract/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { AsyncClient } from './async-client.ts'
import { logLinesOf } from '../support/function-log.ts'
import { IS_WHOLE, sampleOf } from '../support/whole-suite.ts'

const CALLS = IS_WHOLE ? 1_000 : 300
const CALLERS = 32
const INSTANCES = 4

const job = {
  code: `import { context } from '@ryo-faas/runtime'
    export const job = async (request: Request) => {
      console.log('ran', context().callId)
      return Response.json({ instance: process.env.RYO_FAAS_INSTANCE, n: await request.text() })
    }`,
  options: { instances: INSTANCES, async: { concurrency: 64 } },
}

describe.each(sampleOf([2, 1]))('with %i dispatchers', dispatchers => {
  let platform: TestPlatform
  let view: PlatformView
  beforeAll(async () => {
    platform = await TestPlatform.make()
    view = await platform.start('process', ['--dispatchers', String(dispatchers)])
    await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), { job })])
  })
  afterAll(() => platform.remove())

  test('four instances share many calls and each runs once', async () => {
    const client = new AsyncClient(view.proxyUrl)
    const callIds: string[] = []
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let n = caller; n < CALLS; n += CALLERS) callIds.push(await client.queue('job', { body: `${n}` }))
    })
    await Promise.all(callers)
    const answers: { instance: string; n: string }[] = []
    // As many polls as callers, not as many as calls: the polled proxy is busy with the calls.
    const askers = Array.from({ length: CALLERS }, async (_, asker) => {
      for (let n = asker; n < CALLS; n += CALLERS) {
        const { status, attempts, result } = await client.untilOver(callIds[n]!)
        expect([status, attempts.length]).toEqual(['succeeded', 1])
        answers.push(JSON.parse(result!.body!))
      }
    })
    await Promise.all(askers)
    expect(new Set(answers.map(({ n }) => n)).size).toBe(CALLS)
    expect(new Set(answers.map(({ instance }) => instance)).size).toBe(INSTANCES)
    const ran = (await logLinesOf(platform, 'job')).map(line => /^ran (\S+)$/.exec(line)![1]!)
    expect(ran.sort()).toEqual(callIds.sort())
    const shares = await Promise.all(
      view.parts.filter(({ name }) => name.startsWith('dispatcher')).map(({ address }) => invocationsOf(address!)),
    )
    expect(shares).toHaveLength(dispatchers)
    expect(Math.min(...shares)).toBeGreaterThan(0)
    expect(shares.reduce((sum, share) => sum + share)).toBe(CALLS)
  })
})

async function invocationsOf(address: string): Promise<number> {
  const metrics = await (await fetch(`http://${address}/metrics`)).text()
  return Number(/^faas_invocations_total\{.*\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
}
