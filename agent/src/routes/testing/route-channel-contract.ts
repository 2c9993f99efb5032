/** What every channel of routes has to do, whatever its transport. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RouteTable, StaleTableError, type RouteChannel } from '../index.ts'

export type ReaderKind = 'proxy' | 'dispatcher'

/** A reader in a test. It keeps its table while it is down. */
export interface TestReader {
  readonly generation: number
  /** Independent of the channel. */
  take(table: RouteTable): Promise<void>
  leave(): Promise<void>
  comeBack(): Promise<void>
}

/** The readers of a channel under test: two proxies and two dispatchers, all up at first. */
export interface ChannelUnderTest {
  channel: RouteChannel
  readers: Record<ReaderKind, [TestReader, TestReader]>
  /** The order in which tables were accepted. */
  taken: { kind: ReaderKind; generation: number }[]
  end(): Promise<void>
}

export function tableOf(generation: number): RouteTable {
  const route = { name: 'fn', displayName: 'Fn', version: generation, timeoutMs: 1_000, concurrency: 0, instances: [] }
  return RouteTable.parse({ generation, routes: [route] })
}

export function routeChannelContract(name: string, make: () => Promise<ChannelUnderTest>): void {
  describe(`${name} as a channel of routes`, () => {
    let under: ChannelUnderTest
    beforeEach(async () => void (under = await make()))
    afterEach(() => under.end())
    const generations = () => Object.values(under.readers).flatMap(pair => pair.map(({ generation }) => generation))

    it('a published table reaches all readers, the proxies first', async () => {
      await under.channel.publish(tableOf(5))
      expect(generations()).toEqual([5, 5, 5, 5])
      expect(under.taken.map(({ kind }) => kind)).toEqual(['proxy', 'proxy', 'dispatcher', 'dispatcher'])
    })

    it('the same table may be published again, an older one does not replace it', async () => {
      await under.channel.publish(tableOf(5))
      await under.channel.publish(tableOf(5))
      const stale = await under.channel.publish(tableOf(4)).catch((error: unknown) => error)
      expect(stale).toBeInstanceOf(StaleTableError)
      expect((stale as StaleTableError).generation).toBe(5)
      expect(generations()).toEqual([5, 5, 5, 5])
      await under.channel.publish(tableOf(6))
      expect(generations()).toEqual([6, 6, 6, 6])
    })

    it('a proxy that is down fails the publication, and has its last table or a newer one when it comes back', async () => {
      const [proxy] = under.readers.proxy
      await under.channel.publish(tableOf(5))
      await proxy.leave()
      await expect(under.channel.publish(tableOf(6))).rejects.toThrow()
      await proxy.comeBack()
      expect([5, 6]).toContain(proxy.generation)
      await under.channel.publish(tableOf(7))
      expect(generations()).toEqual([7, 7, 7, 7])
    })

    it('a dispatcher that is down delays nobody, and gets the newest table when it comes back', async () => {
      const [dispatcher, other] = under.readers.dispatcher
      await under.channel.publish(tableOf(5))
      await dispatcher.leave()
      await under.channel.publish(tableOf(6))
      await under.channel.publish(tableOf(7))
      expect(other.generation).toBe(7)
      await dispatcher.comeBack()
      await expect.poll(() => dispatcher.generation, { timeout: 5_000 }).toBe(7)
      await under.channel.publish(tableOf(8))
      await expect.poll(() => dispatcher.generation, { timeout: 5_000 }).toBe(8)
    })

    it('a dispatcher that knows a newer table says so, and the newest stays', async () => {
      const [dispatcher] = under.readers.dispatcher
      await under.channel.publish(tableOf(5))
      await dispatcher.take(tableOf(9))
      await expect(under.channel.publish(tableOf(6))).rejects.toMatchObject({ name: 'StaleTableError', generation: 9 })
      expect(dispatcher.generation).toBe(9)
      await under.channel.publish(tableOf(10))
      expect(generations()).toEqual([10, 10, 10, 10])
    })
  })
}
