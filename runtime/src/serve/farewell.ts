/**
 * The last word of an instance on its connections: what was sent there and has no answer was not run.
 *
 * Whoever calls may not know yet that the instance stops, and send a request in the moment in which its connection is
 * closed. A connection that just ends would leave open whether it was run, and it could not be sent to another instance.
 *
 * Invariants: 1. Nothing that arrives later is run: the instance is draining. 2. It is said at most once on a connection,
 * after all answers on it, and never where an invocation still answers or the protocol was switched. 3. Where a key is
 * wanted, those that have not shown it learn nothing.
 */
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { HEADERS, platformError } from '../protocol/index.ts'

export class Farewell {
  readonly #open = new Set<Duplex>()
  readonly #text: string
  readonly #mayHear: (connection: Duplex) => boolean

  /** @param mayHear whether a connection may learn which instance this is */
  constructor(
    server: Server,
    { name, instance, mayHear }: { name: string; instance: string; mayHear: (connection: Duplex) => boolean },
  ) {
    this.#text = farewell(name, instance)
    this.#mayHear = mayHear
    server.on('connection', (connection: Duplex) => {
      this.#open.add(connection)
      connection.once('close', () => this.#open.delete(connection))
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => this.#open.delete(socket))
  }

  /** Ends all connections but those that still owe an answer. */
  say(owing: ReadonlySet<Duplex>): void {
    for (const connection of this.#open) {
      if (owing.has(connection) || !connection.writable) continue
      connection.end(this.#mayHear(connection) ? this.#text : '', 'latin1')
    }
  }
}

/** As an answer to a request that may just come; who has not asked which instance this is has to believe it, too. */
function farewell(name: string, instance: string): string {
  const { status, headers, body } = platformError('FUNCTION_UNAVAILABLE', `${name} is stopping.`, '')
  const all = { ...headers, [HEADERS.errorFrom]: instance, 'retry-after': '1', connection: 'close' }
  const lines = Object.entries(all).map(([header, value]) => `${header}: ${value}\r\n`)
  const introduction = `HTTP/1.1 102 Processing\r\n${HEADERS.instance}: ${instance}\r\n\r\n`
  return `${introduction}HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}
