import { expect, test } from 'vitest'
import { AgentClient } from 'ryo-faas/client'
import type { DeployEvent } from 'ryo-faas/contract'
import { platformView } from '../testing/views-of-platform.ts'
import { Deploys } from './deploys.ts'

const deployed = (name: string): DeployEvent => ({
  type: 'deployed',
  name,
  version: 1,
  url: 'http://x',
  outcome: 'created',
  durationMs: 1,
})
const failed = (name: string): DeployEvent => ({
  type: 'failed',
  name,
  error: { code: 'START_FAILED', message: 'died' },
})
const finished: DeployEvent = { type: 'finished', deployed: 1, failed: 0, durationMs: 1 }

/** An agent that tells these events, one after each other, when it is asked to go on. */
function stage(...events: DeployEvent[]) {
  const environment = 'staging'
  const looks: (() => void)[] = []
  const bodies: object[] = []
  let steps: (() => void)[] = []
  let isHeld = false
  class SteppedAgent extends AgentClient {
    constructor() {
      super({ url: 'http://127.0.0.1:1', token: '' })
    }
    override async *stream(...[, input]: Parameters<AgentClient['stream']>): AsyncGenerator<never> {
      bodies.push((input as { body: object }).body)
      isHeld = true
      for (const event of events) {
        yield event as never
        await new Promise<void>(resolve => (steps = [...steps, resolve]))
      }
    }
  }
  const link = {
    isReady: true,
    // The first look is that for the platform.
    refresh: () => (isHeld ? new Promise<void>(resolve => looks.push(resolve)) : Promise.resolve()),
    onChange: () => ({ dispose: () => undefined }),
    client: async () => new SteppedAgent(),
  }
  const deploys = new Deploys(link, { start: async () => platformView() }, { environment: () => environment })
  const run = deploys.run({ file: '/w/deploy.json' }, { signal: new AbortController().signal, report: () => undefined })
  const settle = () => new Promise(resolve => setImmediate(resolve))
  return {
    deploys,
    run,
    bodies,
    goOn: async () => {
      await settle()
      steps.splice(0).forEach(step => step())
      await settle()
    },
    look: async () => {
      looks.splice(0).forEach(seen => seen())
      await settle()
    },
  }
}

test('what was deployed is busy until its new version is known', async () => {
  const { deploys, run, goOn, look } = stage(
    { type: 'planned', names: ['a', 'b'], folders: [] },
    deployed('a'),
    finished,
  )
  await goOn()
  expect([deploys.activityOf('a'), deploys.activityOf('b')]).toEqual(['waiting', 'waiting'])
  await goOn()
  expect(deploys.activityOf('a')).toBe('waiting')
  await look()
  expect([deploys.activityOf('a'), deploys.activityOf('b')]).toEqual([undefined, 'waiting'])
  await goOn()
  await look()
  expect(await run).toHaveLength(1)
  expect(deploys.activityOf('b')).toBeUndefined()
})

test('that the last deploy failed is known until one succeeds', async () => {
  const { deploys, run, goOn, look } = stage(failed('a'), deployed('a'), finished)
  run.catch(() => undefined)
  await look()
  expect(deploys.failureOf('a')).toBe('died')
  await goOn()
  expect(deploys.failureOf('a')).toBeUndefined()
  await goOn()
  await goOn()
  await look()
  await expect(run).rejects.toMatchObject({ code: 'START_FAILED' })
})

test('the environment that is chosen is that of the deploy', async () => {
  const { run, goOn, look, bodies } = stage(finished)
  await goOn()
  await goOn()
  await look()
  await run
  expect(bodies).toMatchObject([{ file: '/w/deploy.json', environment: 'staging' }])
})
