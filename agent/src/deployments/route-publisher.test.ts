import { expect, test } from 'vitest'
import { StaleTableError } from '../services/proxy/index.ts'
import { RoutePublisher } from './route-publisher.ts'

test('generations rise, also after the clock was set back', async () => {
  const served: number[] = []
  let last = Date.now() + 3_600_000
  const sink = {
    setRoutes: async ({ generation }: { generation: number }) => {
      if (generation <= last) throw new StaleTableError(last)
      last = generation
      served.push(generation)
    },
  }
  const before = last
  const publisher = new RoutePublisher(sink, () => [])
  await publisher.publish()
  await publisher.publish()
  expect(served).toEqual([before + 1, before + 2])
})

test('calls that come while a table goes out share the next one', async () => {
  let sent = 0
  let release: (() => void) | undefined
  const sink = {
    setRoutes: () => {
      sent += 1
      return new Promise<void>(resolve => (release = resolve))
    },
  }
  const publisher = new RoutePublisher(sink, () => [])
  const first = publisher.publish()
  const later = Promise.all([publisher.publish(), publisher.publish(), publisher.publish()])
  release!()
  await first
  await expect.poll(() => sent).toBe(2)
  release!()
  await later
  expect(sent).toBe(2)
})
