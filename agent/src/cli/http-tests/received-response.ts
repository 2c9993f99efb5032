/** A response that has been read to its end, and its parts by name. */
export interface ReceivedResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: Uint8Array
  readonly durationMs: number
}

const TEXT_TYPE = /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|x-www-form-urlencoded|graphql))/

/** Undefined if it is neither text nor empty. */
export function textOf({ headers, bytes }: ReceivedResponse): string | undefined {
  const type = headers.get('content-type') ?? ''
  if (bytes.length > 0 && type !== '' && !TEXT_TYPE.test(type)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined // Bytes, then.
  }
}

export function jsonOf(response: ReceivedResponse): unknown {
  try {
    return JSON.parse(textOf(response) ?? '') as unknown
  } catch {
    return undefined // Not JSON.
  }
}

/** @param part `status`, `duration`, `headers.NAME`, `header NAME`, `body`, `body.items[0].id`, `body.$.items[0].id` */
export function valueAt(response: ReceivedResponse, part: string): unknown {
  if (part === 'status') return response.status
  if (part === 'duration') return response.durationMs
  const [, header] = /^headers?[. ](.+)$/.exec(part) ?? []
  if (header !== undefined) return response.headers.get(header.trim().toLowerCase())
  if (part !== 'body' && !/^body[.[]/.test(part)) return undefined
  const keys = keysOf(part.slice('body'.length))
  if (keys.length === 0) return jsonOf(response) ?? textOf(response)
  let value = jsonOf(response)
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || !(Object.hasOwn(value, key) || key === 'length'))
      return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** Keys of a path below `body`; `*` stays as it is. */
export function keysOf(path: string): string[] {
  const keys = path.replaceAll(/\[(?:"([^"]*)"|'([^']*)'|([^\]]*))\]/g, (_, ...found: (string | undefined)[]) => {
    return `.${found.slice(0, 3).find(key => key !== undefined)}`
  })
  return keys.split('.').filter(key => key !== '' && key !== '$')
}
