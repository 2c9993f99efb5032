import { expect, test } from 'vitest'
import type { Instance } from '../../engines/index.ts'
import { Fleet } from '../fleet.ts'
import { Sleep } from './sleep.ts'

const SLEEPING: Instance = {
  ...{ id: 'i1', route: 'hello', version: 1, startedAt: new Date(0).toISOString() },
  state: { kind: 'frozen', address: { host: '127.0.0.1', port: 1 } },
} as unknown as Instance

function pending<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

/** An engine and an instance that answer when they are told to. */
function makeSleep() {
  const thaw = pending<void>()
  const asked: ReturnType<typeof pending<boolean>>[] = []
  const log: string[] = []
  const sleep = new Sleep({
    engine: {
      freeze: { freeze: async () => undefined, thaw: () => (log.push('thaw'), thaw.promise) },
      stop: async id => void log.push(`stop ${id}`),
    },
    fleet: new Fleet(),
    publisher: { publishOne: async () => ({ settled: Promise.resolve() }) },
    isHealthy: () => {
      log.push('ask')
      const answer = pending<boolean>()
      asked.push(answer)
      return answer.promise
    },
    log: { warn: (_, message) => void log.push(message) },
  })
  return { sleep, thaw, asked, log }
}

test('an instance that answers is awake, also before the engine has said so', async () => {
  const { sleep, thaw, asked, log } = makeSleep()
  const woken = sleep.thaw(SLEEPING)
  asked[0]!.resolve(true)
  expect(await woken).toMatchObject({ id: 'i1', state: { kind: 'running' } })
  thaw.reject(new Error('late'))
  await expect.poll(() => log).toEqual(['thaw', 'ask', 'thawed, but the engine fails'])
})

test('one that was asked too early is asked again when it is thawed', async () => {
  const { sleep, thaw, asked, log } = makeSleep()
  const woken = sleep.thaw(SLEEPING)
  asked[0]!.resolve(false)
  thaw.resolve()
  await expect.poll(() => asked.length).toBe(2)
  asked[1]!.resolve(true)
  expect(await woken).toMatchObject({ state: { kind: 'running' } })
  expect(log).toEqual(['thaw', 'ask', 'ask'])
})

test('one that the engine cannot thaw, or that says nothing once it is, is removed', async () => {
  const failing = makeSleep()
  const first = failing.sleep.thaw(SLEEPING)
  failing.thaw.reject(new Error('no'))
  expect(await first).toBeUndefined()
  expect(failing.log).toContain('stop i1')
  const silent = makeSleep()
  const second = silent.sleep.thaw(SLEEPING)
  silent.thaw.resolve()
  silent.asked[0]!.resolve(false)
  await expect.poll(() => silent.asked.length).toBe(2)
  silent.asked[1]!.resolve(false)
  expect(await second).toBeUndefined()
  expect(silent.log).toContain('stop i1')
})
