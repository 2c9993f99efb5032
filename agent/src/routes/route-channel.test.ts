import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import {
  ControlClient,
  PushChannel,
  RouteKeeper,
  startControlServer,
  type RouteChannel,
  type RouteReader,
  type RouteTable,
} from './index.ts'
import { routeChannelContract, tableOf, type ReaderKind, type TestReader } from './testing/route-channel-contract.ts'

type Taken = { kind: ReaderKind; generation: number }[]
const KINDS: readonly ReaderKind[] = ['proxy', 'proxy', 'dispatcher', 'dispatcher']

/** A reader with a table on disk and a control socket. */
class SocketReader implements TestReader {
  readonly client: ControlClient
  #keeper: RouteKeeper | undefined
  #server: { close(): Promise<void> } | undefined
  readonly #path: string
  readonly #serve: (table: RouteTable) => void

  constructor(path: string, serve: (table: RouteTable) => void) {
    this.#path = path
    this.#serve = serve
    this.client = new ControlClient({ name: 'reader', controlPath: `${path}.sock` })
  }

  get generation(): number {
    return this.#keeper!.generation
  }

  take(table: RouteTable): Promise<void> {
    return this.#keeper!.setRoutes(table)
  }

  async leave(): Promise<void> {
    await this.#server?.close()
  }

  async comeBack(): Promise<void> {
    this.#keeper = new RouteKeeper({ file: `${this.#path}.json`, serve: this.#serve })
    await this.#keeper.load()
    this.#server = await startControlServer(`${this.#path}.sock`, { reader: this.#keeper })
  }
}

routeChannelContract('pushing over control sockets', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'routes-'))
  const taken: Taken = []
  const [a, b, c, d] = KINDS.map(
    (kind, index) =>
      new SocketReader(join(folder, String(index)), ({ generation }) => void taken.push({ kind, generation })),
  ) as [SocketReader, SocketReader, SocketReader, SocketReader]
  await Promise.all([a, b, c, d].map(reader => reader.comeBack()))
  const channel = new PushChannel({ proxies: [a.client, b.client], dispatchers: [c.client, d.client] })
  return {
    channel,
    readers: { proxy: [a, b], dispatcher: [c, d] },
    taken,
    end: async () => {
      channel.close()
      await Promise.all([a, b, c, d].map(reader => reader.leave()))
      await rm(folder, { recursive: true })
    },
  }
})

/** All in one process, and readers that were down catch up by themselves: like a stream on the bus. */
class SharedTable implements RouteChannel {
  readonly members: MemoryReader[]
  newest: RouteTable | undefined

  constructor(members: MemoryReader[]) {
    this.members = members
  }

  async publish(table: RouteTable): Promise<void> {
    const away = this.members.find(({ kind, isAway }) => kind === 'proxy' && isAway)
    if (away !== undefined) throw new Error('a proxy is down')
    for (const { isAway, keeper } of this.members) if (!isAway) await keeper.setRoutes(table)
    this.newest = table
  }
}

class MemoryReader implements TestReader {
  readonly kind: ReaderKind
  readonly keeper: RouteKeeper
  isAway = false
  shared: SharedTable | undefined

  constructor(kind: ReaderKind, taken: Taken) {
    this.kind = kind
    const serve = ({ generation }: RouteTable) => void taken.push({ kind, generation })
    this.keeper = new RouteKeeper({ file: undefined, serve })
  }

  get generation(): number {
    return this.keeper.generation
  }

  take(table: RouteTable): Promise<void> {
    return this.keeper.setRoutes(table)
  }

  async leave(): Promise<void> {
    this.isAway = true
  }

  async comeBack(): Promise<void> {
    this.isAway = false
    if (this.shared?.newest !== undefined) await this.keeper.setRoutes(this.shared.newest)
  }
}

routeChannelContract('a shared table', async () => {
  const taken: Taken = []
  const members = KINDS.map(kind => new MemoryReader(kind, taken))
  const [a, b, c, d] = members as [MemoryReader, MemoryReader, MemoryReader, MemoryReader]
  const channel = new SharedTable(members)
  for (const member of members) member.shared = channel
  return { channel, readers: { proxy: [a, b], dispatcher: [c, d] }, taken, end: async () => undefined }
})

it('a dispatcher that hangs delays only one publication, and gets the last table', async () => {
  const taken: number[] = []
  let release: ((error: Error) => void) | undefined
  let isHung = true
  const hung: RouteReader = {
    setRoutes: ({ generation }) =>
      isHung ? new Promise((_resolve, reject) => (release = reject)) : Promise.resolve(void taken.push(generation)),
  }
  const late: string[] = []
  const onLate = ({ message }: Error) => void late.push(message)
  const channel = new PushChannel({ proxies: [], dispatchers: [hung] }, onLate)
  onTestFinished(() => channel.close())
  const first = channel.publish(tableOf(1))
  await expect.poll(() => release).toBeDefined()
  release!(new Error('no answer in time'))
  await first
  await channel.publish(tableOf(2))
  await channel.publish(tableOf(3))
  expect([taken, late]).toEqual([[], ['no answer in time']])
  isHung = false
  release!(new Error('no answer in time'))
  await expect.poll(() => taken, { timeout: 5_000 }).toEqual([3])
})
