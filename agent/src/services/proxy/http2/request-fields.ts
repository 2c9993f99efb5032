/**
 * What the fields of a request say (RFC 9113 §8.2, §8.3), put as HTTP/1.1 would.
 *
 * Invariants: 1. What could end a line, or be read in two ways, is malformed, never repaired. 2. What only a connection
 * of HTTP/1.1 has is malformed. 3. There is exactly one host.
 */
import { METHODS, type IncomingHttpHeaders } from 'node:http'
import type { Fields } from './field-decoder.ts'

export type Understood =
  | { kind: 'request'; fields: RequestFields }
  /** No pseudo field: what may follow a body. */
  | { kind: 'trailers' }
  | { kind: 'malformed' }
  | { kind: 'too-large' }

const MALFORMED = { kind: 'malformed' } as const
const TRAILERS = { kind: 'trailers' } as const
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** As llhttp takes them, and without blanks around (§8.2.1). */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const TARGET = /^[\x21-\x7e\x80-\xff]+$/
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
const KNOWN_METHODS = new Set(METHODS)
const PSEUDO = [':method', ':scheme', ':path', ':authority'] as const
type Pseudo = (typeof PSEUDO)[number]
/** Of which Node keeps the first if there are several. */
const SINGLE = new Set(
  (
    'age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since ' +
    'last-modified location max-forwards proxy-authorization referer retry-after server user-agent'
  ).split(' '),
)

/** Shared by all requests that say the same: nothing of it is changed. */
export class RequestFields {
  readonly method: string
  readonly path: string
  /** Flat, in the order in which they came, `host` first. */
  readonly lines: readonly string[]
  /** Bytes of body announced; undefined if it is not said. */
  readonly contentLength: number | undefined
  readonly expectsContinue: boolean
  #headers: IncomingHttpHeaders | undefined

  constructor(said: Pick<RequestFields, 'method' | 'path' | 'lines' | 'contentLength' | 'expectsContinue'>) {
    this.method = said.method
    this.path = said.path
    this.lines = said.lines
    this.contentLength = said.contentLength
    this.expectsContinue = said.expectsContinue
  }

  /** Nobody would answer it: a tunnel, or a method that HTTP/1.1 does not have. */
  get isUnknown(): boolean {
    return this.method === 'CONNECT' || !KNOWN_METHODS.has(this.method)
  }

  /** As Node joins them. */
  get headers(): IncomingHttpHeaders {
    return (this.#headers ??= joined(this.lines))
  }
}

export function understand(fields: Fields): Understood {
  if (fields === 'too-large') return { kind: 'too-large' }
  const pseudo: { [Name in Pseudo]?: string } = {}
  const lines: string[] = []
  let host: string | undefined
  let cookie: string | undefined
  let contentLength: number | undefined
  let expectsContinue = false
  let hasPseudo = false
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const value = fields[at + 1]!
    if (!VALUE.test(value)) return MALFORMED
    if (name.startsWith(':')) {
      if (!isPseudo(name) || pseudo[name] !== undefined || at > 2 * Object.keys(pseudo).length) return MALFORMED
      pseudo[name] = value
      hasPseudo = true
      continue
    }
    if (!NAME.test(name) || OF_ONE_CONNECTION.has(name)) return MALFORMED
    switch (name) {
      case 'te':
        if (value.toLowerCase() !== 'trailers') return MALFORMED
        break
      case 'host':
        if (host !== undefined) return MALFORMED
        host = value
        break
      case 'cookie':
        // A client may send one at a time, so that each can be compressed (§8.2.3).
        cookie = cookie === undefined ? value : `${cookie}; ${value}`
        break
      case 'content-length':
        if (contentLength !== undefined || !/^[0-9]{1,15}$/.test(value)) return MALFORMED
        contentLength = Number(value)
        lines.push(name, value)
        break
      case 'expect':
        expectsContinue = value.toLowerCase() === '100-continue'
        lines.push(name, value)
        break
      default:
        lines.push(name, value)
    }
  }
  if (!hasPseudo) return TRAILERS
  if (cookie !== undefined) lines.push('cookie', cookie)
  const { ':method': method, ':scheme': scheme, ':path': path, ':authority': authority } = pseudo
  if (method === undefined || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) return MALFORMED
  // A name for a tunnel, which nobody gets here.
  const isTunnel = method === 'CONNECT' && scheme === undefined && path === undefined
  if (!isTunnel && (scheme === undefined || scheme === '' || path === undefined || !isTarget(path, method))) {
    return MALFORMED
  }
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) return MALFORMED
  lines.unshift('host', authority ?? host ?? '')
  return {
    kind: 'request',
    fields: new RequestFields({ method, path: path ?? '', lines, contentLength, expectsContinue }),
  }
}

function isPseudo(name: string): name is Pseudo {
  return (PSEUDO as readonly string[]).includes(name)
}

function isTarget(path: string, method: string): boolean {
  return TARGET.test(path) && (path.startsWith('/') || (path === '*' && method === 'OPTIONS'))
}

function joined(lines: readonly string[]): IncomingHttpHeaders {
  const headers = Object.create(null) as Record<string, string>
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at]!
    const before = headers[name]
    if (before === undefined) headers[name] = lines[at + 1]!
    else if (!SINGLE.has(name)) headers[name] = `${before}, ${lines[at + 1]!}`
  }
  return headers
}
