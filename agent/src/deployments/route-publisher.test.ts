import { expect, test } from 'vitest'
import { StaleTableError, type RouteTable } from '../routes/index.ts'
import { RoutePublisher } from './route-publisher.ts'

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
  const publisher = new RoutePublisher(channel, () => [])
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
  const publisher = new RoutePublisher(channel, () => [])
  const first = publisher.publish()
  const later = Promise.all([publisher.publish(), publisher.publish(), publisher.publish()])
  release!()
  await first
  await expect.poll(() => sent).toBe(2)
  release!()
  await later
  expect(sent).toBe(2)
})

test('a part that came back gets the table again, but not before there is a first one', async () => {
  let sent = 0
  const publisher = new RoutePublisher({ publish: async () => void (sent += 1) }, () => [])
  await publisher.republish()
  expect(sent).toBe(0)
  await publisher.publish()
  await publisher.republish()
  expect(sent).toBe(2)
})
