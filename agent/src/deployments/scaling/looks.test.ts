import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KeyedQueue } from '../../host/index.ts'
import { Looks } from './looks.ts'

const ROUTES = ['a', 'b', 'c']

let queue: KeyedQueue
let due: Map<string, number>
/** What goes on, in order. */
let log: string[]
/** By route: ends its look. */
let ends: Map<string, (error?: Error) => void>
let looks: Looks
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  queue = new KeyedQueue()
  due = new Map()
  log = []
  ends = new Map()
  looks = new Looks({
    queue,
    dueInMs: route => due.get(route),
    look: async route => {
      due.delete(route)
      log.push(route)
      await new Promise<void>((resolve, reject) =>
        ends.set(route, error => (error === undefined ? resolve() : reject(error))),
      )
    },
    log: { warn: (_details, message) => void log.push(message) },
  })
})
afterEach(() => {
  looks.close()
  vi.useRealTimers()
})

async function end(route: string, error?: Error): Promise<void> {
  ends.get(route)!(error)
  await vi.advanceTimersByTimeAsync(0)
}

function arm(route: string, ms: number): void {
  due.set(route, ms)
  looks.arm(route)
}

test('one function is looked at, at a time', async () => {
  for (const route of ROUTES) arm(route, 10)
  await vi.advanceTimersByTimeAsync(200)
  expect(log).toEqual(['a'])
  await end('a')
  expect(log).toEqual(['a', 'b'])
  await end('b', new Error('no'))
  expect(log).toEqual(['a', 'b', 'scaling failed', 'c'])
})

test('one that takes long, or is being deployed, does not hold up the others, and is looked at after that', async () => {
  let deployed!: () => void
  void queue.run('a', () => new Promise<void>(resolve => (deployed = resolve)))
  for (const route of ROUTES) arm(route, 10)
  await vi.advanceTimersByTimeAsync(300)
  expect(log).toEqual(['b'])
  await vi.advanceTimersByTimeAsync(300)
  expect(log).toEqual(['b', 'c'])
  deployed()
  await vi.advanceTimersByTimeAsync(0)
  expect(log).toEqual(['b', 'c', 'a'])
})

test('it is looked at when the first thing is due, once, and again when another is', async () => {
  arm('a', 500)
  arm('a', 100)
  arm('a', 900)
  await vi.advanceTimersByTimeAsync(100)
  expect(log).toEqual(['a'])
  due.set('a', 50)
  await end('a')
  await vi.advanceTimersByTimeAsync(50)
  expect(log).toEqual(['a', 'a'])
})

test('what waits for its turn is not lined up again by every change', async () => {
  for (const route of ['a', 'b']) arm(route, 10)
  await vi.advanceTimersByTimeAsync(10)
  for (let change = 0; change < 5; change++) arm('b', 0)
  await vi.advanceTimersByTimeAsync(10)
  await end('a')
  await end('b')
  expect(log).toEqual(['a', 'b'])
})

test('what is forgotten, and after the end, is not looked at', async () => {
  arm('a', 10)
  looks.forget('a')
  arm('b', 10)
  looks.close()
  arm('c', 10)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(log).toEqual([])
})
