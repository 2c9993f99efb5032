/**
 * Reads the head of a response: status line and header block, RFC 9112 §2–6, strictly.
 *
 * Invariants: 1. one expression decides whether the block is well formed; what it lets through has no bare CR or LF,
 * no folded line, no space before a colon, no control character. 2. a head whose length of body is in doubt
 * (two lengths, length together with transfer coding, a coding other than `chunked`) is refused, never guessed.
 */
import { CONNECTION_HEADERS } from '@ryo-faas/runtime/protocol'
import { UpstreamError } from './upstream-error.ts'

export interface ResponseHead {
  readonly status: number
  /** End-to-end headers only, flat `[name, value, …]`, spelled as received. */
  readonly headers: string[]
  /** Bytes of body announced; -1 if none was. */
  readonly contentLength: number
  readonly chunked: boolean
  /** Whether the connection may carry another request. */
  readonly keepAlive: boolean
  /** How long the other side says it keeps an idle connection, in milliseconds; 0 if it did not say. */
  readonly keepAliveMs: number
  /** Value of `Upgrade`, if any. */
  readonly upgrade: string | undefined
}

const WELL_FORMED =
  /^HTTP\/1\.[01] [1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/

/** Names that are read here or end here. */
const SPECIAL = new Set([...CONNECTION_HEADERS, 'content-length'])
/** Bit n is set if a special name has n letters: spares most names the change to lower case. */
const SPECIAL_LENGTHS = [...SPECIAL].reduce((mask, name) => mask | (1 << name.length), 0)

/**
 * @param text the head up to and with its empty line, one character per byte.
 * @throws UpstreamError `protocol`
 */
export function parseResponseHead(text: string): ResponseHead {
  if (!WELL_FORMED.test(text)) throw new UpstreamError('protocol', 'malformed response head')
  const status = (text.charCodeAt(9) - 48) * 100 + (text.charCodeAt(10) - 48) * 10 + (text.charCodeAt(11) - 48)
  const headers: string[] = []
  let contentLength = -1
  let transferCoding: string | undefined
  let connection: string | undefined
  let keepAliveMs = 0
  let upgrade: string | undefined

  const end = text.length - 2
  let at = text.indexOf('\r\n') + 2
  while (at < end) {
    const colon = text.indexOf(':', at)
    const eol = text.indexOf('\r\n', colon)
    const name = text.slice(at, colon)
    const value = withoutPadding(text, colon + 1, eol)
    at = eol + 2
    const lower = name.length < 32 && (SPECIAL_LENGTHS & (1 << name.length)) !== 0 ? name.toLowerCase() : ''
    if (lower === '' || !SPECIAL.has(lower)) {
      headers.push(name, value)
    } else if (lower === 'content-length') {
      const length = /^[0-9]{1,15}$/.test(value) ? Number(value) : -1
      if (length < 0) throw new UpstreamError('protocol', 'malformed content-length')
      if (contentLength >= 0) throw new UpstreamError('protocol', 'two content-lengths')
      headers.push(name, value)
      contentLength = length
    } else if (lower === 'transfer-encoding') {
      transferCoding = transferCoding === undefined ? value : `${transferCoding}, ${value}`
    } else if (lower === 'connection') {
      connection = connection === undefined ? value : `${connection}, ${value}`
    } else if (lower === 'keep-alive') {
      keepAliveMs = Number(/timeout=([0-9]{1,6})/i.exec(value)?.[1] ?? 0) * 1000
    } else if (lower === 'upgrade') {
      upgrade = value
    }
  }

  const isOldHttp = text.charCodeAt(7) === 48
  if (transferCoding !== undefined) {
    if (contentLength >= 0) throw new UpstreamError('protocol', 'content-length together with transfer-encoding')
    if (isOldHttp || transferCoding.toLowerCase() !== 'chunked') {
      throw new UpstreamError('protocol', 'unknown transfer-encoding')
    }
  }
  const options = connection === undefined || connection === 'keep-alive' ? undefined : connectionOptions(connection)
  return {
    status,
    headers: options === undefined ? headers : withoutNamed(headers, options),
    contentLength,
    chunked: transferCoding !== undefined,
    keepAlive: !isOldHttp && options?.has('close') !== true,
    keepAliveMs,
    upgrade,
  }
}

/** Optional white space is spaces and tabs (RFC 9110 §5.6.3); `trim` would take a no-break space as well. */
function withoutPadding(text: string, from: number, to: number): string {
  while (from < to && isPadding(text.charCodeAt(from))) from += 1
  while (to > from && isPadding(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isPadding(code: number): boolean {
  return code === 32 || code === 9
}

/** The lower-cased options of a `Connection` header. */
export function connectionOptions(value: string): Set<string> {
  return new Set(value.split(',').map(option => option.trim().toLowerCase()))
}

/** @param name in lower case. */
export function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && isNamed(headers[i - 1]!, name))
}

/** @param name in lower case. */
export function isNamed(header: string, name: string): boolean {
  return header.length === name.length && header.toLowerCase() === name
}

/** A length is kept even if `Connection` names it: dropping it would change where the message ends. */
function withoutNamed(headers: string[], options: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (!options.has(name.toLowerCase()) || name.toLowerCase() === 'content-length') kept.push(name, headers[i + 1]!)
  }
  return kept
}
