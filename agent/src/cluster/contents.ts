/**
 * What versions are made of, on the bus: contents by the SHA-256 of what they are, in sealed pieces.
 *
 * Invariants: 1. the last piece is written when all others are stored: whose last piece is there is whole. 2. what is read
 * has its digest, or an error is thrown. 3. writing what is there costs one question.
 */
import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import { AGENT_STREAMS, BusError, writtenOnce, purge, subjectsIn, versionSubject, type Bus } from '../bus/index.ts'
import type { Seal } from './seal.ts'

export interface Content {
  /** SHA-256, in hexadecimal. */
  digest: string
  bytes: number
}

/** Well below the usual limit of a message, 1 MB. */
const PIECE_BYTES = 512 * 1024
const AT_ONCE = 8

export class Contents {
  readonly #bus: Bus
  readonly #seal: Seal
  readonly #limit = pLimit(AT_ONCE)
  /** Known to be there. */
  readonly #known = new Set<string>()

  constructor(bus: Bus, seal: Seal) {
    this.#bus = bus
    this.#seal = seal
  }

  /** @throws BusError FULL, UNAVAILABLE, REFUSED */
  async put(content: Buffer): Promise<Content> {
    const digest = createHash('sha256').update(content).digest('hex')
    const place = { digest, bytes: content.length }
    if (this.#known.has(digest)) return place
    const last = piecesOf(place) - 1
    const found = await writtenOnce(this.#bus, AGENT_STREAMS.versions, { last_by_subj: versionSubject(digest, last) })
    if (found === undefined) {
      await Promise.all(
        Array.from({ length: last }, (_, piece) => this.#limit(() => this.#putPiece(place, content, piece))),
      )
      await this.#putPiece(place, content, last)
    }
    this.#known.add(digest)
    return place
  }

  /** @throws BusError UNAVAILABLE: also if it is not there, or is not what it was */
  async get({ digest, bytes }: Content): Promise<Buffer> {
    const pieces = await Promise.all(
      Array.from({ length: piecesOf({ bytes }) }, (_, piece) => this.#limit(() => this.#getPiece(digest, piece))),
    )
    const content = Buffer.concat(pieces)
    if (createHash('sha256').update(content).digest('hex') === digest) return content
    throw new BusError('UNAVAILABLE', `the content ${digest.slice(0, 12)} is damaged on the bus`)
  }

  /** Removes all others. @returns how many */
  async keepOnly(digests: ReadonlySet<string>): Promise<number> {
    const subjects = await subjectsIn(this.#bus, AGENT_STREAMS.versions, versionSubject('*', '*'))
    const found = new Set(subjects.map(subject => subject.split('.').at(-2)!))
    const surplus = [...found].filter(digest => !digests.has(digest))
    for (const digest of surplus) {
      this.#known.delete(digest)
      await purge(this.#bus, AGENT_STREAMS.versions, { subject: versionSubject(digest, '*') })
    }
    return surplus.length
  }

  async #putPiece({ digest }: Content, content: Buffer, piece: number): Promise<void> {
    const part = content.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
    await this.#bus.publish(versionSubject(digest, piece), this.#seal.close(`${digest}.${piece}`, part))
  }

  async #getPiece(digest: string, piece: number): Promise<Buffer> {
    const message = await writtenOnce(this.#bus, AGENT_STREAMS.versions, {
      last_by_subj: versionSubject(digest, piece),
    })
    if (message !== undefined) return this.#seal.open(`${digest}.${piece}`, message.data)
    throw new BusError('UNAVAILABLE', `the content ${digest.slice(0, 12)} is not on the bus`)
  }
}

function piecesOf({ bytes }: Pick<Content, 'bytes'>): number {
  return Math.max(1, Math.ceil(bytes / PIECE_BYTES))
}
