/**
 * Reads a request target (RFC 9112 §3.2) down to function name and the path that is forwarded.
 *
 * Invariants: 1. The forwarded bytes are a suffix of what the client sent, never re-encoded. 2. A path that two
 * parsers could read differently (dot segments, encoded separators, NUL, broken escapes) is refused.
 * 3. Nothing below `/.ryo-faas/` is forwarded, however it is spelled, except events of the dispatcher; the operator may
 * queue the one of a schedule.
 */
import { ASYNC_FUNCTIONS_PREFIX, EVENTS_PREFIX, FUNCTIONS_PREFIX, RESERVED_PREFIX } from '@ryo-faas/runtime/protocol'
import { isOwnPath } from '../../../contract/index.ts'

export type Target =
  /** `isAsync`: under the prefix for asynchronous calls. `isEvent`: only for the dispatcher, and in part the operator. */
  | { kind: 'function'; name: string; path: string; isAsync: boolean; isEvent: boolean }
  | { kind: 'reserved'; name: string }
  /** `path`: a deployment may name it; absent: the platform serves it, or nobody. */
  | { kind: 'other'; path?: string }
  | { kind: 'bad'; reason: string }

/** Anything that needs a closer check. */
const SUSPICIOUS = /[%\\#\0-\x20\x7f]|\/\./
const RESERVED = new RegExp(
  `^/*${RESERVED_PREFIX.replaceAll('.', '\\.')}|^/*${RESERVED_PREFIX.slice(0, -1).replaceAll('.', '\\.')}$`,
  'i',
)

/** Exactly as the dispatcher writes it. */
const EVENT = new RegExp(`^${EVENTS_PREFIX.replaceAll('.', '\\.')}[A-Za-z0-9_-]{1,63}$`)

export function parseTarget(url: string): Target {
  const target = url.charCodeAt(0) === 47 ? url : originForm(url)
  if (target === undefined) return { kind: 'bad', reason: 'unsupported form of request target' }
  const queryAt = target.indexOf('?')
  const pathEnd = queryAt < 0 ? target.length : queryAt

  let decoded: string | undefined
  if (SUSPICIOUS.test(target)) {
    const path = target.slice(0, pathEnd)
    const reason = pathTrick(path)
    if (reason !== undefined) return { kind: 'bad', reason }
    decoded = decodeURIComponentBytes(path)
  }
  const isAsync = target.startsWith(ASYNC_FUNCTIONS_PREFIX)
  if (!isAsync && !target.startsWith(FUNCTIONS_PREFIX)) {
    const path = decoded ?? target.slice(0, pathEnd)
    return isOwnPath(path) || RESERVED.test(path) ? { kind: 'other' } : { kind: 'other', path: target }
  }

  const nameAt = isAsync ? ASYNC_FUNCTIONS_PREFIX.length : FUNCTIONS_PREFIX.length
  let nameEnd = target.indexOf('/', nameAt)
  if (nameEnd < 0 || nameEnd > pathEnd) nameEnd = pathEnd
  const name = target.slice(nameAt, nameEnd)
  if (decoded !== undefined) {
    const restAt = decoded.indexOf('/', nameAt)
    if (restAt >= 0 && RESERVED.test(decoded.slice(restAt))) {
      const path = target.slice(nameEnd)
      const isEvent = !isAsync && EVENT.test(path)
      return isEvent ? { kind: 'function', name, path, isAsync, isEvent } : { kind: 'reserved', name }
    }
  }
  const rest = target.slice(nameEnd)
  return { kind: 'function', name, path: rest.charCodeAt(0) === 47 ? rest : `/${rest}`, isAsync, isEvent: false }
}

/** Path and query of an absolute-form target; undefined for authority and asterisk form. */
function originForm(url: string): string | undefined {
  const authority = /^https?:\/\/[^/?#\\@\s]+/i.exec(url)
  if (authority === null) return undefined
  const rest = url.slice(authority[0].length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') ? `/${rest}` : undefined
}

function pathTrick(path: string): string | undefined {
  if (/[\\#\0-\x20\x7f]/.test(path)) return 'illegal character in path'
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'malformed percent-encoding in path'
  if (/%(?:2f|5c|00)/i.test(path)) return 'encoded separator or NUL in path'
  if (/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path)) return 'dot segment in path'
  return undefined
}

/** Bytes, not characters: a broken UTF-8 sequence is not a reason to fail. */
function decodeURIComponentBytes(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
