import { expect, test } from 'vitest'
import { Route, StaleTableError, type RoutePatch, type RouteTable, type Served } from '../routes/index.ts'
import { RoutePublisher, type CurrentRoutes } from './route-publisher.ts'

const current = (routes: () => Route[]): CurrentRoutes => ({
  all: () => ({ routes: routes() }),
  one: name => routes().find(route => route.name === name),
})

test('generations rise, also after the clock was set back', async () => {
  const served: number[] = []
  let last = Date.now() + 3_600_000
  const channel = {
    publish: async ({ generation }: RouteTable) => {
      if (generation <= last) throw new StaleTableError(last)
      last = generation
      served.push(generation)
    },
  }
  const before = last
  const publisher = new RoutePublisher(
    channel,
    current(() => []),
  )
  await publisher.publish()
  await publisher.publish()
  expect(served).toEqual([before + 1, before + 2])
})

test('calls while a table is being published share the next one', async () => {
  let sent = 0
  let release: (() => void) | undefined
  const channel = {
    publish: () => {
      sent += 1
      return new Promise<void>(resolve => (release = resolve))
    },
  }
  const publisher = new RoutePublisher(
    channel,
    current(() => []),
  )
  const first = publisher.publish()
  const later = Promise.all([publisher.publish(), publisher.publish(), publisher.publish()])
  await expect.poll(() => sent).toBe(1)
  release!()
  await first
  await expect.poll(() => sent).toBe(2)
  release!()
  await later
  expect(sent).toBe(2)
})

test('a part that came back gets the table again, but not before there is a first one', async () => {
  let sent = 0
  const publisher = new RoutePublisher(
    { publish: async () => void (sent += 1) },
    current(() => []),
  )
  await publisher.republish()
  expect(sent).toBe(0)
  await publisher.publish()
  await publisher.republish()
  expect(sent).toBe(2)
})

/** A channel whose proxy serves at once, and settles when it is told to. */
function slowChannel() {
  let served = -1
  const settle: (() => void)[] = []
  const sent: string[] = []
  const later = () => new Promise<void>(resolve => settle.push(resolve))
  return {
    ...{ settle, sent },
    lose: () => (served += 1_000_000),
    publish: async ({ generation, routes }: RouteTable, onServed?: () => void) => {
      if (generation <= served) throw new StaleTableError(served)
      served = generation
      sent.push(`all ${routes.map(({ version }) => version).join()}`)
      onServed?.()
      await later()
    },
    publishOne: async ({ base, generation, route }: RoutePatch) => {
      if (base !== served) throw new StaleTableError(served)
      served = generation
      sent.push(`${route.name} ${route.version}`)
      return { settled: later() }
    },
  }
}

const routeOf = (name: string, version: number) =>
  Route.parse({ name, displayName: name, version, timeoutMs: 1, concurrency: 0, instances: [] })

test('a route is published alone, does not wait until others have settled, and is as it was when it was sent', async () => {
  const channel = slowChannel()
  let version = 1
  const publisher = new RoutePublisher(
    channel,
    current(() => [routeOf('a', version), routeOf('b', version)]),
  )
  const whole = publisher.publish()
  const first = publisher.publishOne('a')
  version = 2
  const [one] = await Promise.all([first, publisher.publishOne('b')])
  expect(channel.sent).toEqual(['all 2,2', 'a 2', 'b 2'])
  let isSettled = false
  void one.settled.then(() => (isSettled = true))
  await publisher.publishOne('a')
  expect(isSettled).toBe(false)
  for (const settle of channel.settle) settle()
  await Promise.all([whole, one.settled])
})

test('for one route that changes, no other is made', async () => {
  const channel = slowChannel()
  const made: string[] = []
  const publisher = new RoutePublisher(channel, {
    all: () => ({ routes: ['a', 'b'].map(name => routeOf(name, 1)) }),
    one: name => {
      made.push(name)
      return routeOf(name, 2)
    },
  })
  const whole = publisher.publish()
  await publisher.publishOne('b')
  expect([made, channel.sent]).toEqual([['b'], ['all 1,1', 'b 2']])
  for (const settle of channel.settle) settle()
  await whole
})

test('all routes are published if a proxy serves another table, or the route is gone, or there is no table yet', async () => {
  const channel = slowChannel()
  const routes = [routeOf('a', 1)]
  const publisher = new RoutePublisher(
    channel,
    current(() => routes),
  )
  const settled = async (served: Promise<Served>) => {
    const before = channel.settle.length
    await expect.poll(() => channel.settle.length).toBe(before + 1)
    channel.settle.at(-1)!()
    await (
      await served
    ).settled
  }
  await settled(publisher.publishOne('a'))
  channel.lose()
  await settled(publisher.publishOne('a'))
  await settled(publisher.publishOne('a'))
  await settled(publisher.publishOne('gone'))
  expect(channel.sent).toEqual(['all 1', 'all 1', 'a 1', 'all 1'])
})

test('a channel that knows only whole tables publishes those', async () => {
  let sent = 0
  const publisher = new RoutePublisher(
    { publish: async () => void (sent += 1) },
    current(() => [routeOf('a', 1)]),
  )
  await publisher.publish()
  await (
    await publisher.publishOne('a')
  ).settled
  expect(sent).toBe(2)
})
