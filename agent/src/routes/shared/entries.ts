/**
 * The table of routes as entries of a key-value bucket: one for each route, key and secret, so that a change writes what
 * has changed, and a table may be larger than any message. One that is itself larger is in pieces, which are entries like
 * others: `<entry>/0`, `<entry>/1` and so on. Which entries make up the table of a generation says an entry of its own,
 * the head: its digest is over all of them.
 *
 * Invariant: entries whose digest is that of a head are the table of this head, whatever was lost, overwritten, put back
 * or made up on the way.
 */
import { z } from 'zod'
import { CallerKey } from '../../access/index.ts'
import { encodeToken } from '../../bus/index.ts'
import { Route, type RouteTable } from '../route.ts'
import type { Sealer } from './sealer.ts'

export const HEAD = 'head'
/** What proxies need besides the table: see `TableWriter`. */
export const SETTINGS = 'settings'
const PREFIX = { route: 'route.', key: 'key.', secret: 'secret.', member: 'member.' } as const
const TWO_TO_256 = 2n ** 256n

export const Head = z.object({ generation: z.int().min(0), digest: z.string() })
export type Head = z.infer<typeof Head>

/** What an agent says that is asked for its newest table; -1: it has published none yet. */
export const Newest = z.object({ generation: z.int() })
export const NEWEST = 'newest'

const Secret = z.object({ name: z.string(), value: z.string() })

/** Of a proxy that serves the table. */
export function memberEntry(id: string): string {
  return PREFIX.member + encodeToken(id)
}

export function isMember(entry: string): boolean {
  return entry.startsWith(PREFIX.member)
}

export function routeEntry(name: string): string {
  return PREFIX.route + encodeToken(name)
}

/** @returns texts by entry; without what only dispatchers need */
export function entriesOf({ routes, keys = [], secrets = {} }: RouteTable): Map<string, string> {
  return new Map([
    ...routes.map(route => [routeEntry(route.name), JSON.stringify(route)] as const),
    ...keys.map(key => [PREFIX.key + encodeToken(key.id), JSON.stringify(key)] as const),
    ...Object.entries(secrets).map(
      ([name, value]) => [PREFIX.secret + encodeToken(name), JSON.stringify({ name, value })] as const,
    ),
  ])
}

/**
 * A text as entries of which each fits a message.
 * @param most of a message, in bytes
 */
export function inPieces(entry: string, text: string, most: number): [entry: string, text: string][] {
  // A character has up to three bytes, also after JSON, and what is sealed is a little longer than its text.
  const length = Math.floor(most / 4)
  if (text.length <= length) return [[entry, text]]
  return Array.from({ length: Math.ceil(text.length / length) }, (_, at) => {
    // As JSON, because half of a surrogate pair has no bytes of its own.
    return [pieceEntry(entry, at), JSON.stringify(text.slice(at * length, (at + 1) * length))]
  })
}

/** What an entry is a piece of, or itself. No token has a slash. */
export function wholeOf(entry: string): string {
  return entry.split('/', 1)[0]!
}

function pieceEntry(entry: string, at: number): string {
  return `${entry}/${at}`
}

/** Entries that are read one by one. */
export class Entries {
  readonly #sealer: Sealer
  readonly #texts = new Map<string, string>()
  readonly #prints = new Map<string, bigint>()
  readonly #parsed = new Map<string, unknown>()
  #sum = 0n

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  text(entry: string): string | undefined {
    return this.#texts.get(entry)
  }

  names(): IterableIterator<string> {
    return this.#texts.keys()
  }

  /** @param text undefined: it is removed */
  set(entry: string, text: string | undefined): void {
    const print = text === undefined ? undefined : this.#sealer.fingerprint(entry, text)
    this.#sum = (this.#sum - (this.#prints.get(entry) ?? 0n) + (print ?? 0n) + TWO_TO_256) % TWO_TO_256
    this.#parsed.delete(wholeOf(entry))
    if (text === undefined || print === undefined) {
      this.#texts.delete(entry)
      this.#prints.delete(entry)
    } else {
      this.#texts.set(entry, text)
      this.#prints.set(entry, print)
    }
  }

  get digest(): string {
    return `${this.#texts.size}-${this.#sum.toString(16)}`
  }

  /** Put together, if it is in pieces. */
  whole(entry: string): string | undefined {
    const text = this.#texts.get(entry)
    if (text !== undefined) return text
    const pieces: string[] = []
    for (;;) {
      const piece = this.#texts.get(pieceEntry(entry, pieces.length))
      if (piece === undefined) return pieces.length === 0 ? undefined : pieces.join('')
      pieces.push(JSON.parse(piece) as string)
    }
  }

  /** @throws ZodError if it is not a route */
  route(entry: string): Route | undefined {
    return entry.startsWith(PREFIX.route) ? this.#parse(entry, Route) : undefined
  }

  /** @throws ZodError if one of them is not what it has to be */
  table(generation: number): RouteTable {
    const all = <T>(kind: keyof typeof PREFIX, schema: z.ZodType<T>): T[] => {
      const named = [...this.#texts.keys()].filter(entry => entry.startsWith(PREFIX[kind]))
      return [...new Set(named.map(wholeOf))].sort().map(entry => this.#parse(entry, schema)!)
    }
    const secrets = all('secret', Secret).map(({ name, value }) => [name, value])
    return {
      generation,
      routes: all('route', Route),
      keys: all('key', CallerKey),
      secrets: Object.fromEntries(secrets) as Record<string, string>,
    }
  }

  #parse<T>(entry: string, schema: z.ZodType<T>): T | undefined {
    const known = this.#parsed.get(entry)
    if (known !== undefined) return known as T
    const text = this.whole(entry)
    if (text === undefined) return undefined
    const value = schema.parse(JSON.parse(text))
    this.#parsed.set(entry, value)
    return value
  }
}
