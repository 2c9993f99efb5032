/**
 * What the leader decides, for the agent that leads after it: one message on the bus, written as a whole.
 *
 * Invariants: 1. `write` resolves when the bus has it, before anything is done that follows from it. 2. Each write names
 * the one before it and its epoch. A leader begins by writing what it found (`claim`): from then on every write of an
 * earlier one is refused, however late it comes. 3. What came of a write whose acknowledgement was lost is found out
 * before the next one.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { AGENT_STREAMS, agentsSubject, BusError, newestMessage, type Bus, type StoredMessage } from '../bus/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import type { Content, Contents } from './contents.ts'
import type { Seal } from './seal.ts'

const KEY = 'shared'
const SUBJECT = agentsSubject(KEY)
/** Decimal: of the leader that wrote it. */
const EPOCH = 'Rfa-Epoch'
const WRITER = 'Rfa-Writer'
/** `<digest>.<bytes>`: it is too long for a message, and among the contents. */
const ELSEWHERE = 'Rfa-Elsewhere'
const INLINE_BYTES = 512 * 1024
const RETRY_MS = 100
const zip = promisify(gzip)
const unzip = promisify(gunzip)

export interface SharedRecordOptions {
  bus: Bus
  seal: Seal
  /** Where it is kept if it is long. */
  contents: Pick<Contents, 'put' | 'get'>
  /** Whether this agent may still write. */
  isHeld: () => boolean
  /** Another agent leads. */
  onDeposed: () => void
}

interface SharedValue {
  value: unknown
  /** Grows with every write. */
  revision: number
  epoch: number
}

export class SharedRecord {
  readonly #options: SharedRecordOptions
  readonly #writer = randomUUID()
  #revision = 0
  #epoch = 0

  constructor(options: SharedRecordOptions) {
    this.#options = options
  }

  /** Revision of what is there now; 0 if there is nothing. @throws BusError */
  async revision(): Promise<number> {
    return (await this.#newest())?.sequence ?? 0
  }

  /** @throws BusError, RyoFaasError CLUSTER_KEY_WRONG */
  async read(): Promise<SharedValue | undefined> {
    const message = await this.#newest()
    return message && { value: await this.#valueOf(message), revision: message.sequence, epoch: epochOf(message) }
  }

  /**
   * Writes the first value, if there is none yet.
   * @returns what is there
   */
  async begin(value: unknown): Promise<SharedValue> {
    for (;;) {
      const found = await this.read()
      if (found !== undefined) return found
      try {
        const { data, headers } = await this.#packed(value)
        await this.#options.bus.publish(SUBJECT, data, { headers, lastSubjectSequence: 0 })
      } catch (error) {
        // Another agent was first.
        if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
      }
    }
  }

  /**
   * From here on only this agent writes, until one with a later epoch does.
   * @returns what is there
   * @throws RyoFaasError LEADER_LOST; BusError
   */
  async claim(epoch: number): Promise<unknown> {
    this.#epoch = epoch
    for (;;) {
      this.#mustBeHeld()
      const message = await this.#newest()
      if (message !== undefined && epochOf(message) > epoch) throw this.#deposed()
      const value = message && (await this.#valueOf(message))
      this.#revision = message?.sequence ?? 0
      try {
        await this.#publish(await this.#packed(value))
        return value
      } catch (error) {
        // The one before us wrote once more.
        if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
      }
    }
  }

  /**
   * After `claim`; one at a time.
   * @throws RyoFaasError LEADER_LOST: whether it was written is not known if the bus went away; BusError FULL, REFUSED
   */
  async write(value: unknown): Promise<void> {
    const packed = await this.#packed(value)
    for (;;) {
      this.#mustBeHeld()
      try {
        return await this.#publish(packed)
      } catch (error) {
        if (!(error instanceof BusError) || error.code === 'FULL' || error.code === 'REFUSED') throw error
        if (error.code === 'CONFLICT' && (await this.#isWritten(packed))) return
        if (error.code === 'UNAVAILABLE') await delay(RETRY_MS)
      }
    }
  }

  async #publish({ data, headers }: Packed): Promise<void> {
    const { bus } = this.#options
    this.#revision = (await bus.publish(SUBJECT, data, { headers, lastSubjectSequence: this.#revision })).sequence
  }

  /** After a conflict: ours, if only an acknowledgement was lost. */
  async #isWritten({ data }: Packed): Promise<boolean> {
    const message = await this.#newest().catch(() => undefined)
    if (message === undefined) return false
    if (message.header(WRITER) !== this.#writer) throw this.#deposed()
    this.#revision = message.sequence
    return message.data.equals(data)
  }

  #newest(): Promise<StoredMessage | undefined> {
    return newestMessage(this.#options.bus, AGENT_STREAMS.agents, SUBJECT)
  }

  async #packed(value: unknown): Promise<Packed> {
    const { seal, contents } = this.#options
    const content = await zip(JSON.stringify(value ?? null))
    const headers = { [EPOCH]: String(this.#epoch), [WRITER]: this.#writer }
    if (content.length <= INLINE_BYTES) return { data: seal.close(KEY, content), headers }
    const { digest, bytes } = await contents.put(content)
    return { data: seal.close(KEY, Buffer.alloc(0)), headers: { ...headers, [ELSEWHERE]: `${digest}.${bytes}` } }
  }

  async #valueOf(message: StoredMessage): Promise<unknown> {
    const { seal, contents } = this.#options
    const inline = seal.open(KEY, message.data)
    const place = elsewhereIn(message)
    const content = place === undefined ? inline : await contents.get(place)
    return JSON.parse((await unzip(content)).toString()) as unknown
  }

  #mustBeHeld(): void {
    if (!this.#options.isHeld()) throw leaderLost()
  }

  #deposed(): RyoFaasError {
    this.#options.onDeposed()
    return leaderLost()
  }
}

interface Packed {
  data: Buffer
  headers: Record<string, string>
}

/** What was asked has begun. */
export function leaderLost(): RyoFaasError {
  return new RyoFaasError('LEADER_LOST', 'this agent lost the lead of the platform while it did that', {
    hint: 'It may be done, or in part: see ryo-faas details, and do what is missing.',
  })
}

function epochOf(message: StoredMessage): number {
  return Number(message.header(EPOCH) ?? 0)
}

function elsewhereIn(message: StoredMessage): Content | undefined {
  const [digest, bytes] = message.header(ELSEWHERE)?.split('.') ?? []
  return digest === undefined ? undefined : { digest, bytes: Number(bytes) }
}
